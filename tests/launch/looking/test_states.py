import json

import pytest

from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import states


def survey(place):
  return states.survey(directories.look(place.path))


def test_a_config_alone_is_pending(place):
  assert states.of(place.begin()) == 'pending'


def test_a_folder_that_is_not_there_is_pending(place):
  assert states.of(place.path / 'runs' / ('0' * 16)) == 'pending'


@pytest.mark.parametrize('status', ['done', 'diverged'])
def test_a_result_decides_whatever_else_is_there(place, status):
  folder = place.finish(status)
  place.save(folder, 5)
  (folder / 'error.log').write_text('x')
  assert states.of(folder) == status


def test_a_claim_of_a_living_process_is_running(place, claim):
  folder = place.begin()
  (folder / 'error.log').write_text('of an earlier start')
  process = claim(folder)
  assert states.of(folder) == 'running'
  process.kill()
  process.wait()
  assert states.of(folder) == 'failed'


@pytest.mark.parametrize('name', ['error.log', 'failure.json'])
def test_a_log_of_what_was_raised_is_failed(place, name):
  folder = place.begin()
  place.save(folder, 5)
  (folder / name).write_text('{}')
  assert states.of(folder) == 'failed'


def test_something_to_go_on_from_is_preempted(place):
  folder = place.begin()
  place.save(folder, 5)
  assert states.of(folder) == 'preempted'


@pytest.mark.parametrize('name', ['5', '5.orbax-checkpoint-tmp'])
def test_a_save_without_a_manifest_is_nothing_to_go_on_from(place, name):
  folder = place.begin()
  (folder / 'ckpt' / name).mkdir(parents=True)
  assert states.of(folder) == 'pending'


def tear(path):
  path.write_bytes(path.read_bytes()[:-20])


def change(path):
  record = records.read(path)
  record['result']['x'] = 2
  path.write_text(json.dumps(record))


def move(path):
  record = records.read(path)
  del record['sha256']
  records.write(path, records.seal(record | {'id': '0' * 16}))


@pytest.mark.parametrize('harm', [tear, change, move])
def test_a_result_that_does_not_hold_is_none(place, harm):
  folder = place.finish()
  harm(folder / 'result.json')
  assert states.of(folder) == 'pending'


def test_the_rows_of_a_group_share_its_checkpoint_and_its_failure(place):
  done, row, other = (
    place.finish(),
    place.begin(seed=1),
    place.begin(seed=2),
  )
  group = place.group('0' * 16, done, row)
  assert survey(place)[row.name] == 'pending'
  place.save(group, 3)
  assert survey(place) == {
    done.name: 'done',
    row.name: 'preempted',
    other.name: 'pending',
  }
  (group / 'error.log').write_text('x')
  assert survey(place)[row.name] == 'failed'


def test_points_come_in_the_order_of_the_sweep(place):
  folders = [place.begin(seed=seed) for seed in range(5)]
  place.list(*reversed(folders[1:]))
  assert directories.look(place.path).points == tuple(
    f.name for f in [*reversed(folders[1:]), folders[0]]
  )


def test_a_point_without_a_folder_is_pending(place):
  place.list(place.path / ('a' * 16))
  assert survey(place) == {'a' * 16: 'pending'}


def test_names_that_are_no_ids_are_not_taken_for_paths(place):
  (place.path / 'runs' / 'notes').mkdir()
  records.write(place.path / 'sweep.json', {'points': ['../../etc', 3]})
  assert survey(place) == {}


@pytest.mark.parametrize('kind', ['runs', 'groups'])
def test_a_link_that_leads_out_is_refused(place, tmp_path, kind):
  elsewhere = tmp_path / 'elsewhere'
  elsewhere.mkdir()
  link = place.path / kind / ('a' * 16)
  link.parent.mkdir(exist_ok=True)
  link.symlink_to(elsewhere)
  with pytest.raises(errors.UsageError, match=r'is a link to .*elsewhere'):
    survey(place)


def test_the_directory_itself_may_be_a_link(place, tmp_path):
  folder = place.finish()
  (tmp_path / 'link').symlink_to(place.path)
  assert directories.look(tmp_path / 'link').points == (folder.name,)


def test_another_directory_names_the_sweep_below(place, tmp_path):
  place.list()
  with pytest.raises(errors.UsageError, match=r'did you mean .*/sweep'):
    directories.look(tmp_path)


@pytest.mark.parametrize('name', ['nowhere', 'file', 'empty'])
def test_another_directory_is_refused(tmp_path, name):
  (tmp_path / 'file').write_text('x')
  (tmp_path / 'empty').mkdir()
  with pytest.raises(errors.UsageError, match='by default runs/FOLDER'):
    directories.look(tmp_path / name)


def test_a_point_is_found_by_the_beginning_of_its_id(place):
  names = ['a' * 16, 'ab' * 8, 'b' * 16]
  place.list(*(place.path / name for name in names))
  directory = directories.look(place.path)
  assert directories.find(directory, 'aa') == 'a' * 16
  assert directories.find(directory, 'b' * 16) == 'b' * 16
  with pytest.raises(errors.UsageError, match='the beginning of 2 points'):
    directories.find(directory, 'a')
  with pytest.raises(errors.UsageError, match="did you mean 'abab"):
    directories.find(directory, 'abababababababaa')
  with pytest.raises(errors.UsageError, match="No point ''"):
    directories.find(directory._replace(points=()), '')
