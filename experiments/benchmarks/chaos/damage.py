"""Every file of a committed checkpoint harmed, one after another."""

import os
import pathlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable

import ml_collections

from experiments.benchmarks.chaos import _checks
from experiments.benchmarks.chaos import _command


def run(config: ml_collections.ConfigDict, folder: pathlib.Path) -> list[dict]:
  """Harms each file of the newest checkpoint of a stopped run, and resumes.

  Args:
    config: `target`.
    folder: An empty directory.

  Returns:
    The checks.
  """
  calm = folder / 'calm'
  _command.run(config, calm).wait()
  (wanted,) = _command.digests(calm).values()
  stopped = _stopped(config, folder / 'stopped')
  cases = [
    (path.relative_to(stopped), harm)
    for path in _files(stopped)
    for harm in HARMS
  ]
  ends = {'whole': 0, 'fell back': 0, 'refused': 0}
  wrong, unnamed = 0, 0
  for path, harm in cases:
    storm = folder / 'storm'
    shutil.copytree(stopped, storm, symlinks=True)
    harm(storm / path)
    command = _command.run(config, storm)
    code = command.wait()
    if code == 0:
      wrong += list(_command.digests(storm).values()) != [wanted]
      fell = any(storm.glob('runs/*/ckpt.damaged/*'))
      ends['fell back' if fell else 'whole'] += 1
      unnamed += fell and 'damaged' not in command.printed
    else:
      ends['refused'] += 1
      unnamed += not command.one_line
    shutil.rmtree(storm)
  return [
    _checks.at_most('resumed to other values', wrong),
    _checks.at_most('ended without saying what was wrong', unnamed),
    _checks.at_most('refused, with an older step whole', ends['refused']),
    {'check': 'files harmed', 'found': len({path for path, _ in cases})},
    {'check': 'harms', 'found': len(cases)},
    {'check': 'with no effect on the values', 'found': ends['whole']},
    {'check': 'found, and the step before taken', 'found': ends['fell back']},
    *_nothing_left(config, stopped, folder / 'storm', wanted),
  ]


def _stopped(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> pathlib.Path:
  """Returns the directory of a run that was stopped with two checkpoints."""
  command = _command.run(config, workdir)
  while len(list(workdir.glob('runs/*/manifests/*.json'))) < 2:
    time.sleep(0.01)
  command.process.send_signal(signal.SIGTERM)
  command.wait()
  return workdir


def _files(workdir: pathlib.Path) -> list[pathlib.Path]:
  """The files of the newest checkpoint, its manifest among them."""
  manifests = workdir.glob('runs/*/manifests/*.json')
  newest = max(manifests, key=lambda path: int(path.stem))
  step = newest.parents[1] / 'ckpt' / newest.stem
  return [newest, *sorted(p for p in step.rglob('*') if p.is_file())]


def _nothing_left(
  config: ml_collections.ConfigDict,
  stopped: pathlib.Path,
  storm: pathlib.Path,
  wanted: str,
) -> list[dict]:
  """Flips a bit in every file of every step, so that none is whole."""
  shutil.copytree(stopped, storm)
  for path in storm.glob('runs/*/manifests/*.json'):
    _flip(path)
  refused = _command.run(config, storm)
  codes = refused.wait(), _command.run(config, storm).wait()
  found = list(_command.digests(storm).values())
  shutil.rmtree(storm)
  return [
    _checks.exactly('exit codes: no step is whole, then again', codes, (4, 0)),
    _checks.exactly('said in one line', refused.one_line, True),
    _checks.exactly('values after beginning again', found, [wanted]),
  ]


def _flip(path: pathlib.Path) -> None:
  content = bytearray(path.read_bytes())
  if content:
    content[len(content) // 2] ^= 1
  path.write_bytes(bytes(content))


def _truncate(path: pathlib.Path) -> None:
  os.truncate(path, path.stat().st_size // 2)


def _empty(path: pathlib.Path) -> None:
  os.truncate(path, 0)


def _link(path: pathlib.Path) -> None:
  """Puts a link to a copy outside of the checkpoint in the file's place."""
  outside = pathlib.Path(tempfile.mkdtemp(), path.name)
  shutil.move(path, outside)
  path.symlink_to(outside)


HARMS: tuple[Callable[[pathlib.Path], None], ...] = (
  _flip,
  _truncate,
  _empty,
  pathlib.Path.unlink,
  _link,
)
