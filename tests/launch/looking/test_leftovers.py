import os
import shutil

import pytest

from paramspace.launch import errors
from paramspace.launch import leases
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import leftovers


def names(place):
  found = leftovers.find(directories.look(place.path))
  return {str(x.path.relative_to(place.path)) for x in found}


def test_the_checkpoints_of_a_run_that_is_done_are_freed(place, look):
  folder = place.finish()
  place.save(folder, 5)
  (folder / 'ckpt.damaged' / '4').mkdir(parents=True)
  (folder / 'ckpt.damaged' / '4' / 'data').write_bytes(bytes(500))
  (folder / 'lease.3').write_text('{}')
  (folder / 'result.json.tmp').write_bytes(bytes(7))
  size = (folder / 'manifests' / '5.json').stat().st_size
  code, out, _ = look('gc')
  assert code == errors.DONE
  assert (
    out.splitlines()[-1]
    == f'freed {(1000 + 500 + 2 + 7 + size) / 1024:.1f} KiB'
  )
  assert {p.name for p in folder.iterdir()} == {
    'config.json',
    'meta.json',
    'metrics.jsonl',
    'result.json',
    'artifacts',
  }
  assert look('verify')[0] == errors.DONE
  assert look('gc')[1] == 'freed 0 bytes\n'


def test_what_a_run_needs_to_go_on_stays(place, look):
  folder = place.begin()
  place.save(folder, 5)
  before = place.files()
  cut = folder / 'ckpt' / '6.orbax-checkpoint-tmp' / 'deep'
  cut.mkdir(parents=True)
  (cut / 'data.tmp').write_bytes(bytes(10))
  (folder / 'ckpt' / '7').mkdir()
  (folder / 'artifacts').mkdir()
  (folder / 'artifacts' / 'x.npz.tmp').write_bytes(bytes(20))
  (folder / 'ckpt.damaged' / '4').mkdir(parents=True)
  assert names(place) == {
    f'runs/{folder.name}/{name}'
    for name in (
      'ckpt/6.orbax-checkpoint-tmp',
      'ckpt/7',
      'artifacts/x.npz.tmp',
      'ckpt.damaged',
    )
  }
  assert look('gc')[1].endswith('freed 30 bytes\n')
  assert names(place) == set()
  assert before.keys() <= place.files().keys()


def test_the_number_of_a_claim_is_not_used_again_while_work_is_left(
  place, look
):
  folder = place.begin()
  (folder / 'lease.7').write_text('{}')
  (folder / 'x.tmp').touch()
  look('gc')
  assert not (folder / 'x.tmp').exists()
  assert leases.live(folder) is None
  with leases.hold([folder]):
    assert leases.read(folder).generation > 7


@pytest.mark.parametrize('done', [True, False])
def test_nothing_of_a_live_claim_is_touched(place, look, claim, done):
  folder = place.finish() if done else place.begin()
  other = place.finish(seed=1)
  place.save(folder, 5)
  (folder / 'x.tmp').touch()
  group = place.group('0' * 16, folder, other)
  (group / 'x.tmp').touch()
  process = claim(folder)
  assert names(place) == set()
  process.kill()
  process.wait()
  assert f'runs/{folder.name}/x.tmp' in names(place)


def test_what_was_claimed_since_it_was_found_is_left_alone(place, claim):
  folder = place.begin()
  (folder / 'x.tmp').touch()
  found = list(leftovers.find(directories.look(place.path)))
  claim(folder)
  assert leftovers.remove(found) == []
  assert (folder / 'x.tmp').exists()


def test_a_group_goes_when_its_last_point_is_done(place, look):
  done, row = place.finish(), place.begin(seed=1)
  group = place.group('0' * 16, done, row)
  place.save(group, 3)
  (group / 'ckpt' / '4.orbax-checkpoint-tmp').mkdir()
  assert names(place) == {f'groups/{group.name}/ckpt/4.orbax-checkpoint-tmp'}
  look('gc')
  assert names(place) == set()
  place.finish(seed=1)
  assert f'groups/{group.name}' in names(place)
  look('gc')
  assert not group.exists()


def test_a_dry_run_says_so_and_removes_nothing(place, look):
  folder = place.finish()
  place.save(folder, 5)
  before = place.files()
  code, out, _ = look('gc', '--dry-run')
  assert code == errors.DONE
  assert f'{folder / "ckpt"} (checkpoints of a run that is done)' in out
  assert out.splitlines()[-1] == 'would free 1003 bytes'
  assert place.files() == before


def test_links_are_removed_and_not_followed(place, look, tmp_path):
  outside = tmp_path / 'outside'
  outside.mkdir()
  (outside / 'precious').write_bytes(bytes(5000))
  folder = place.finish()
  (folder / 'ckpt').symlink_to(outside)
  (folder / 'manifests').mkdir()
  (folder / 'manifests' / 'link').symlink_to(outside)
  other = place.begin(seed=1)
  (other / 'x.tmp').symlink_to(outside)
  code, out, _ = look('gc')
  assert code == errors.DONE
  assert out.splitlines()[-1].endswith(' bytes')  # Of the links themselves.
  assert not (folder / 'ckpt').is_symlink()
  assert not (other / 'x.tmp').is_symlink()
  assert (outside / 'precious').stat().st_size == 5000


def test_only_old_files_go_where_no_claim_protects_them(place):
  new, old = place.path / 'sweep.json.tmp', place.path / 'results.sqlite.tmp'
  new.touch()
  old.touch()
  os.utime(old, (1, 1))
  assert names(place) == {'results.sqlite.tmp'}


def test_what_cannot_be_removed_is_one_line(place, look, monkeypatch):
  folder = place.finish()
  place.save(folder, 5)

  def refuse(path):
    raise PermissionError(13, 'Permission denied', str(path))

  monkeypatch.setattr(shutil, 'rmtree', refuse)
  code, _, err = look('gc')
  assert code == errors.USAGE
  assert f'Cannot remove {folder / "manifests"}: Permission denied' in err
