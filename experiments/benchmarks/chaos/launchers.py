"""What people do to a sweep: start it twice, kill it, edit its config."""

import os
import pathlib
import shutil
import subprocess
import time

import ml_collections

from experiments.benchmarks.chaos import _checks
from experiments.benchmarks.chaos import _command


def run(config: ml_collections.ConfigDict, folder: pathlib.Path) -> list[dict]:
  """Misuses the launcher in four ways.

  Args:
    config: `target`, `jobs`.
    folder: An empty directory.

  Returns:
    The checks.
  """
  calm = folder / 'calm'
  _command.sweep(config, calm).wait()
  wanted = _command.digests(calm)
  return [
    *_killed(config, folder / 'killed', wanted),
    *_twice(config, folder / 'twice', wanted),
    *_read_only(config, folder / 'read_only'),
    *_edited(config, folder / 'edited'),
  ]


def _killed(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  wanted: dict[str, str],
) -> list[dict]:
  """The launcher is killed with half of the points done, and started again."""
  launcher = _command.sweep(config, workdir)
  while len(_command.digests(workdir)) < len(wanted) // 2:
    time.sleep(0.05)
  launcher.kill()
  done = set(_command.digests(workdir))
  again = _command.sweep(config, workdir)
  code = again.wait()
  found = _command.digests(workdir)
  missing = f'{len(wanted) - len(done)} of {len(wanted)} points to run'
  return [
    _checks.exactly('launcher killed, started again: exit code', code, 0),
    _checks.at_most(
      'launcher killed: points with another digest',
      _checks.differing(found, wanted),
    ),
    _checks.exactly(
      'launcher killed: only the missing points are run',
      missing in again.printed,
      True,
    ),
  ]


def _twice(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  wanted: dict[str, str],
) -> list[dict]:
  """Two launchers at the same time on the same directory."""
  both = [
    _command.sweep(config, workdir, log=workdir.with_suffix(f'.{i}.log'))
    for i in range(2)
  ]
  codes = [launcher.wait() for launcher in both]
  started = [
    path.read_text().count('"start": 1')
    for path in workdir.glob('runs/*/meta.json')
  ]
  return [
    _checks.exactly('two launchers: exit codes', codes, [0, 0]),
    _checks.at_most(
      'two launchers: points with another digest',
      _checks.differing(_command.digests(workdir), wanted),
    ),
    _checks.exactly(
      'two launchers: points started once', sum(started), len(wanted)
    ),
  ]


def _read_only(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> list[dict]:
  """A directory that may not be written to, not even by root."""
  workdir.mkdir(mode=0o555)
  mount = ['mount', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', workdir]
  mounted = not subprocess.run(mount, capture_output=True).returncode
  if not mounted and os.geteuid() == 0:
    return [{'check': 'read-only: may not be mounted', 'found': 'skipped'}]
  try:
    command = _command.sweep(
      config, workdir / 'below', log=workdir.with_suffix('.log')
    )
    code = command.wait()
  finally:
    if mounted:
      subprocess.run(['umount', '-l', workdir], check=True)
  return [
    _checks.exactly('read-only directory: exit code', code, 2),
    _checks.exactly(
      'read-only directory: said in one line', command.one_line, True
    ),
  ]


def _edited(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> list[dict]:
  """A config that is edited between two starts."""
  target = workdir / 'configs' / 'chaos' / 'target.py'
  target.parent.mkdir(parents=True)
  shutil.copy(config.target, target)
  text = target.read_text().replace('(25, 50, 100, 200, 400)', '(25, 50)')
  target.write_text(text)
  first = _command.sweep(config, workdir / 'runs', target)
  codes = [first.wait()]
  before = set(_command.digests(workdir / 'runs'))
  target.write_text(text.replace('learning_rate=1e-2', 'learning_rate=2e-2'))
  second = _command.sweep(config, workdir / 'runs', target)
  codes.append(second.wait())
  after = set(_command.digests(workdir / 'runs'))
  return [
    _checks.exactly('config edited: exit codes', codes, [0, 0]),
    _checks.exactly(
      'config edited: new ids beside the old', len(after), 2 * len(before)
    ),
    _checks.exactly(
      'config edited: said which key',
      'optimizer.learning_rate' in second.printed,
      True,
    ),
  ]
