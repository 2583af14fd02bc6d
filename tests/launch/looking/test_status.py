import shutil
import subprocess
import sys

import pytest

from paramspace.launch import errors
from paramspace.launch import leases
from paramspace.launch import metrics
from paramspace.launch import records
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import status


def of(place):
  return status.of(directories.look(place.path))


def test_every_state_is_counted(place, look):
  place.finish()
  place.finish('diverged', seed=1)
  place.save(place.begin(seed=2), 7)
  place.begin(seed=3)
  place.begin(seed=4)
  code, out, err = look('status')
  assert (code, err) == (errors.DONE, '')
  assert out == (
    f'2 pending, 1 preempted, 1 diverged, 1 done in {place.path}\n'
  )


def test_who_runs_a_point_and_how_far_it_is(place, look, claim):
  folder = place.begin()
  metrics.append(folder / 'metrics.jsonl', [{'step': 41, 'loss': 0.5}])
  with (folder / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 42, "lo')
  process = claim(folder)
  (row,) = of(place).running
  holder = leases.read(folder)
  assert row == {
    'id': folder.name,
    'host': holder.host,
    'pid': process.pid,
    'heartbeat': '0 s ago',
    'step': 41,
  }
  assert str(process.pid) in look('status')[1]


def test_why_a_point_failed_and_where_to_read_it(place, look):
  one, two, row = (place.begin(seed=s) for s in range(3))
  failure = {'code': 137, 'attempts': 4, 'reason': 'exit code 137 (killed)'}
  records.write(one / 'failure.json', failure)
  (one / 'log.txt').write_text('x')
  (two / 'error.log').write_text('Traceback:\n  x\nValueError: no such thing\n')
  group = place.group('0' * 16, row)
  (group / 'error.log').write_text('MemoryError: too many rows\n')
  found = {row.pop('id'): row for row in of(place).failed}
  assert found == {
    one.name: {
      'reason': 'exit code 137 (killed)',
      'log': str(one / 'log.txt'),
    },
    two.name: {
      'reason': 'ValueError: no such thing',
      'log': str(two / 'error.log'),
    },
    row.name: {
      'reason': 'MemoryError: too many rows',
      'log': str(group / 'error.log'),
    },
  }
  assert 'too many rows' in look('status')[1]


def test_a_sweep_of_one_kind_has_no_notes(place):
  folders = [place.finish(seed=s) for s in range(3)]
  groups = [{'size': 1, 'points': [f.name]} for f in folders]
  place.list(*folders, groups=groups)
  assert of(place).notes == []


@pytest.mark.parametrize(
  ('other', 'note'),
  [
    ({'about': {'executor': 'local'}}, 'executors: inline (2), local (1)'),
    ({'about': {'group_size': 4}}, 'group sizes other than declared: 4 (1)'),
    ({'meta': {'git': 'def'}}, 'git revisions: abc (2), def (1)'),
    (
      {'meta': {'versions': {'jax': '0.11'}}},
      'versions of jax: 0.10.2 (2), 0.11 (1)',
    ),
    (
      {'meta': {'devices': {'platform': 'gpu'}}},
      'devices: {"platform": "cpu"} (2), {"platform": "gpu"} (1)',
    ),
  ],
)
def test_results_of_several_kinds_are_noted(place, other, note):
  folders = [
    place.finish(),
    place.finish(seed=1),
    place.finish(seed=2, **other),
  ]
  groups = [{'size': 1, 'points': [f.name]} for f in folders]
  place.list(*folders, groups=groups)
  assert of(place).notes == [f'Results come from different {note}.']


def test_a_result_that_does_not_hold_is_noted(place):
  folder = place.finish()
  (folder / 'result.json').write_text('{}')
  (note,) = of(place).notes
  assert note.startswith('1 of the result.json files do not hold')


def test_points_of_another_sweep_are_noted(place):
  place.list(place.finish())
  place.finish(seed=1)
  (note,) = of(place).notes
  assert note == '1 of the points are not of the sweep that was last started.'


def test_the_last_row_is_found_without_reading_the_rest(place):
  path = place.begin() / 'metrics.jsonl'
  path.write_text('not a row\n' * 100_000 + '{"step": 7}\nnor this\n{"step"')
  assert status.last_row(path) == {'step': 7}
  assert status.last_row(path.with_name('absent')) is None


def test_status_is_told_again_and_again(place):
  place.finish()
  call = ['status', str(place.path), '--watch', '0.05']
  watching = subprocess.Popen(
    [sys.executable, '-m', 'paramspace', *call],
    stdout=subprocess.PIPE,
    text=True,
  )
  with watching:
    first, second = (watching.stdout.readline() for _ in range(2))
    watching.kill()
  assert first == second == f'1 done in {place.path}\n'


@pytest.mark.parametrize('seconds', ['0', '-1', 'soon', 'nan'])
def test_a_watch_without_end_or_sense_is_refused(look, seconds):
  code, _, err = look('status', f'--watch={seconds}')
  assert code == errors.USAGE
  assert '--watch' in err


@pytest.mark.parametrize(
  'call',
  [
    ['status'],
    ['show', ''],
    ['diff', '', ''],
    ['verify'],
    ['gc', '--dry-run'],
    ['export'],
  ],
)
def test_looking_changes_nothing(place, look, call):
  name = place.finish().name
  place.list(place.path / 'runs' / name)
  before = place.files()
  verb, *arguments = [argument or name for argument in call]
  assert look(verb, *arguments)[0] == errors.DONE
  assert place.files() == before


@pytest.mark.parametrize(
  'call',
  [
    ['status'],
    ['show', 'a'],
    ['diff', 'a', 'b'],
    ['verify'],
    ['gc'],
    ['export'],
  ],
)
def test_a_directory_that_is_no_sweep_is_one_line_and_exit_2(place, look, call):
  shutil.rmtree(place.path / 'runs')
  code, out, err = look(*call)
  assert (code, out) == (errors.USAGE, '')
  (line,) = err.splitlines()
  assert 'is not the directory of a sweep' in line


STUDY = """
from paramspace.launch.looking import states

def run(config, run):
  run.log(1, loss=0.5)
  if config.seed == 1:
    raise ValueError('no such thing')
  status = 'diverged' if config.seed else 'done'
  return {'seen': states.of(run.dir), 'status': status}
"""


def test_a_real_sweep_is_seen_while_it_runs_and_when_it_is_over(lab, capsys):
  lab.write('toy_study.py', STUDY)
  assert lab.command('sweep', lab.config, '--workdir=w') == errors.FAILED
  capsys.readouterr()
  assert lab.command('status', 'w') == errors.DONE
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == '1 failed, 1 diverged, 1 done in w'
  (line,) = (x for x in lines if 'ValueError: no such thing' in x)
  assert 'error.log' in line
  assert lab.command('export', 'w', '--format=jsonl') == errors.DONE
  rows = map(records.loads, capsys.readouterr().out.splitlines())
  assert [r.get('result.seen') for r in rows] == ['running', None, 'running']
