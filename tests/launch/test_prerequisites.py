import ml_collections
import pytest

from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import prerequisites
from paramspace.launch import run as runs
from paramspace.launch.executors import inline

STUDY = '''
"""Counts; `harm` says what goes wrong."""

import pathlib

import numpy as np

from paramspace.launch import errors


def run(config, run):
  with open(pathlib.Path(run.dir).parents[1] / 'began.txt', 'a') as file:
    print(config.value, file=file)
  for step in range(3):
    if run.should_stop(step):
      raise errors.Preempted
  if config.harm == 'raise':
    raise ArithmeticError('no such number')
  run.save('squared', {'x': np.float32(config.value) ** 2})
  return {'status': config.harm or 'done', 'value': config.value}
'''


@pytest.fixture
def needing(tmp_path, monkeypatch):
  """A run in a new working directory, and configs of a study there."""
  (tmp_path / 'counting_study.py').write_text(STUDY)
  monkeypatch.syspath_prepend(tmp_path)
  workdir = tmp_path / 'work'
  asked = lambda **values: ml_collections.ConfigDict(
    dict(study='counting_study', value=2.0, harm='') | values
  )
  one = points.point(asked(value=-1.0))
  run = runs.Run(runs.directory(workdir, one), one.config)
  began = lambda: (workdir / 'began.txt').read_text().split()
  return run, asked, began


def test_what_is_needed_is_run_once_and_shared(needing):
  run, asked, began = needing
  for _ in range(2):
    found = prerequisites.ensure(run, [asked(), asked(value=3.0)])
    assert [float(x.load('squared')['x']) for x in found] == [4.0, 9.0]
  assert began() == ['2.0', '3.0']


def test_what_is_needed_is_a_point_as_any_other(needing):
  run, asked, began = needing
  point = points.point(asked())
  group, workdir = points.group([point], size=1), run.dir.parents[1]
  (workdir / 'runs').mkdir(parents=True)
  stop = prerequisites._Stop(lambda step: False)
  assert not inline.executor()([group], 'counting_study', workdir, stop)
  (found,) = prerequisites.ensure(run, [asked()])
  assert found.dir == runs.directory(workdir, point)
  assert began() == ['2.0']


def test_what_failed_is_named_with_its_traceback(needing):
  run, asked, _ = needing
  with pytest.raises(RuntimeError, match=r'needs, failed(.|\n)*no such number'):
    prerequisites.ensure(run, [asked(harm='raise')])


def test_what_diverged_is_of_no_use(needing):
  run, asked, _ = needing
  with pytest.raises(RuntimeError, match='needs, is diverged'):
    prerequisites.ensure(run, [asked(harm='diverged')])


def test_a_stop_reaches_what_is_needed(needing):
  run, asked, began = needing
  run.stopping = lambda step: step == 2
  with pytest.raises(errors.Preempted):
    prerequisites.ensure(run, [asked(), asked(value=3.0)])
  assert began() == ['2.0']
