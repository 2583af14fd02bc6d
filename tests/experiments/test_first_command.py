"""The README's first command, at the smallest scale, each in a process."""

import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

import pytest

import paramspace
from paramspace.launch import errors
from paramspace.launch import records

ROOT = pathlib.Path(paramspace.__file__).parents[1]
CONFIG = ROOT / 'configs' / 'intrinsic_dimension' / 'digits_fc.py'

COMMAND = """
import sys
from paramspace import cli
sys.exit(cli.main())
"""

# Ctrl-C comes at the end of an epoch of the second group.
INTERRUPTED = (
  """
import signal
from paramspace.launch import batch

log, logged = batch.BatchRun.log, []

def log_and_interrupt(self, step, **arrays):
  log(self, step, **arrays)
  logged.append(step)
  if len(logged) == 3:
    signal.raise_signal(signal.SIGINT)

batch.BatchRun.log = log_and_interrupt
"""
  + COMMAND
)


class Place(NamedTuple):
  """A working directory.

  Attributes:
    root: The directory.
  """

  root: pathlib.Path

  @property
  def workdir(self):
    return self.root / 'runs' / 'intrinsic_dimension' / 'digits_fc' / 'smoke'

  def reproduce(self, code):
    """Runs the command, or code in its place; returns what is left of it."""
    return subprocess.run(
      [sys.executable, '-c', code, 'reproduce', CONFIG, '--scale', 'smoke'],
      cwd=self.root,
      env=os.environ | {'PYTHONPATH': str(ROOT)},
      capture_output=True,
      text=True,
    )

  def results(self):
    """Results and metrics, by point."""
    return {
      p.name: (
        (records.read(p / 'result.json') or {}).get('result'),
        (p / 'metrics.jsonl').read_bytes(),
      )
      for p in (self.workdir / 'runs').iterdir()
    }


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """The place and the process of a command that nothing disturbed."""
  place = Place(tmp_path_factory.mktemp('calm'))
  return place, place.reproduce(COMMAND)


def test_it_draws_the_figure_and_prints_what_it_measured(calm):
  place, done = calm
  assert done.returncode == errors.DONE, done.stderr
  assert done.stderr == ''
  assert {p.name for p in (place.workdir / 'figures').iterdir()} == {
    f'digits_fc.{ending}' for ending in ('svg', 'png', 'csv', 'json')
  }
  for name in ('d_int90_absolute', 'd_int90_baseline', 'baseline_accuracy'):
    assert f'\n{name} ' in done.stdout
  table = [line for line in done.stdout.splitlines() if line[:1] in '\u2502|']
  assert len(table) == 4
  assert max(map(len, table)) <= 80


def test_ctrl_c_loses_nothing(calm, tmp_path):
  place = Place(tmp_path)
  stopped = place.reproduce(INTERRUPTED)
  assert stopped.returncode == errors.PREEMPTED, stopped.stderr
  assert 'Traceback' not in stopped.stderr
  done = [result for result, _ in place.results().values() if result]
  assert len(done) == 2  # Those of the first group.

  continued = place.reproduce(COMMAND)
  assert continued.returncode == errors.DONE, continued.stderr
  assert place.results() == calm[0].results()
  assert not list((place.workdir / 'groups').iterdir())
