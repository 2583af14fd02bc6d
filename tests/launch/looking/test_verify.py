import json
import shutil

import pytest

from paramspace.launch import errors
from paramspace.launch import records


def test_a_sweep_that_is_whole_is_exit_0(place, look):
  place.list(place.finish(), place.begin(seed=1), place.path / ('a' * 16))
  code, out, _ = look('verify')
  assert code == errors.DONE
  assert out == f'all is well: 3 points in {place.path}\n'


def flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def tear(path):
  path.write_bytes(path.read_bytes()[:-20])


def empty(path):
  path.write_bytes(b'')


@pytest.mark.parametrize('harm', [flip, tear, empty])
@pytest.mark.parametrize(
  'name', ['config.json', 'result.json', 'artifacts/theta.npz']
)
def test_a_damaged_file_is_one_line_and_exit_1(place, look, name, harm):
  folder = place.finish()
  place.finish(seed=1)
  harm(folder / name)
  code, out, err = look('verify')
  assert (code, err) == (errors.FAILED, '')
  line, last = out.splitlines()
  assert line.startswith(f'{folder / name} ')
  assert last == f'1 problems: 2 points in {place.path}'


def test_a_result_that_was_edited_is_found_by_its_digest(place, look):
  folder = place.finish()
  record = records.read(folder / 'result.json')
  record['result']['x'] = 0.99
  records.write(folder / 'result.json', record)
  assert 'was changed: its sha256 does not hold' in look('verify')[1]


def test_a_result_of_another_point_is_found(place, look):
  folder, other = place.finish(), place.finish(seed=1)
  (folder / 'result.json').write_bytes((other / 'result.json').read_bytes())
  code, out, _ = look('verify')
  assert code == errors.FAILED
  assert f"is the result of point '{other.name}'" in out


@pytest.mark.parametrize(
  ('text', 'what'),
  [
    ('{"step": 1}\n{"step": 1}\n', 'has step 1 out of order'),
    ('{"step": 2}\n{"step": 1}\n', 'has step 1 out of order'),
    ('{"step": 1\n{"step": 2}\n', 'is not readable: ValueError'),
    ('{"loss": 1}\n', 'is not readable: KeyError'),
    ('[1]\n', 'is not readable: TypeError'),
  ],
)
def test_metrics_that_make_no_sense_are_found(place, look, text, what):
  folder = place.finish()
  (folder / 'metrics.jsonl').write_text(text)
  code, out, _ = look('verify')
  assert code == errors.FAILED
  assert what in out


def test_a_torn_last_line_of_metrics_is_no_damage(place, look):
  folder = place.begin()
  (folder / 'metrics.jsonl').write_text('{"step": 1}\n{"step": 2, "lo')
  assert look('verify')[0] == errors.DONE


@pytest.mark.parametrize('name', ['sweep.json', 'runs/{}/meta.json'])
def test_other_records_that_are_torn_are_found(place, look, name):
  folder = place.finish()
  place.list(folder)
  path = place.path / name.format(folder.name)
  tear(path)
  code, out, _ = look('verify')
  assert code == errors.FAILED
  assert out.startswith(f'{path} is not whole')


def test_an_artifact_that_would_run_code_is_refused(place, look):
  import numpy as np

  path = place.finish() / 'artifacts' / 'theta.npz'
  np.savez(path, x=np.array([json], dtype=object).astype(str).astype(object))
  code, out, _ = look('verify')
  assert code == errors.FAILED
  assert 'allow_pickle=False' in out


def test_a_link_in_a_run_is_found(place, look, tmp_path):
  folder = place.finish()
  (folder / 'artifacts' / 'link').symlink_to(tmp_path)
  code, out, _ = look('verify')
  assert code == errors.FAILED
  assert 'is a link, which is never written here' in out


@pytest.fixture
def stopped(lab):
  """A sweep in one program that was stopped after a save."""
  lab.write(
    lab.config,
    (lab.root / lab.config)
    .read_text()
    .replace("harm=''", "harm='SIGTERM'")
    .replace('at=0', 'at=4')
    .replace('checkpoint_every=100', 'checkpoint_every=2'),
  )
  assert lab.command('sweep', lab.config, '--workdir=w') == errors.PREEMPTED
  return lab


def test_a_real_sweep_is_stopped_verified_resumed_and_cleaned(stopped, capsys):
  def look(verb, *arguments):
    capsys.readouterr()
    code = stopped.command(verb, 'w', *arguments)
    return code, capsys.readouterr().out

  assert look('status')[1].startswith('3 preempted in w')
  assert look('verify') == (errors.DONE, 'all is well: 3 points in w\n')
  assert stopped.command('sweep', stopped.config, '--workdir=w') == errors.DONE
  assert look('status') == (errors.DONE, '3 done in w\n')
  assert look('verify')[0] == errors.DONE
  assert look('gc') == (errors.DONE, 'freed 0 bytes\n')
  assert look('diff', 'w')[0] == errors.DONE
  (line, *_) = look('export')[1].splitlines()
  assert line.startswith('id,status,executor,group_size,seconds,config.')
  name = look('export', '--format=jsonl')[1][8:14]
  assert '  config.rate' not in look('show', name)[1]
  assert '  rate = 0.1' in look('show', name)[1]


def flip_largest(folder):
  files = [p for p in folder.rglob('*') if p.is_file()]
  flip(max(files, key=lambda p: p.stat().st_size))


@pytest.mark.parametrize('harm', [flip_largest, shutil.rmtree])
def test_a_damaged_checkpoint_is_exit_4(stopped, capsys, harm):
  (group,) = stopped.root.glob('w/groups/*')
  harm(group / 'ckpt')
  capsys.readouterr()
  assert stopped.command('verify', 'w') == errors.CORRUPT
  found = capsys.readouterr().out
  assert f'{group.relative_to(stopped.root)}/ckpt/' in found
