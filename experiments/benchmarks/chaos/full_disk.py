"""No room for a checkpoint: the step before stays, and later it goes on."""

import pathlib
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import ml_collections

from experiments.benchmarks.chaos import _checks
from experiments.benchmarks.chaos import _command

# Bytes: less than a checkpoint of the target, more than its other files.
_ROOM = 24 * 1024
_TMPFS = 3 * 1024 * 1024
# All parameters, which take more than that room, and metrics, which do not.
_LARGE = ('--config.direct=True', '--config.execution.log_every=22')


def run(config: ml_collections.ConfigDict, folder: pathlib.Path) -> list[dict]:
  """Runs out of room in two ways: a limit on files, and a small file system.

  Args:
    config: `target`.
    folder: An empty directory.

  Returns:
    The checks.
  """
  calm = folder / 'calm'
  _command.run(config, calm, *_LARGE).wait()
  (wanted,) = _command.digests(calm).values()
  checks = _limited(config, folder / 'limited', wanted)
  return checks + _small(config, folder / 'small', wanted)


def _limited(
  config: ml_collections.ConfigDict, workdir: pathlib.Path, wanted: str
) -> list[dict]:
  """A limit on the size of a file, once there is a checkpoint."""
  _stop_after_a_save(config, workdir)
  limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, _ROOM))
  return _out_of_room('RLIMIT_FSIZE', config, workdir, wanted, before=limit)


def _small(
  config: ml_collections.ConfigDict, workdir: pathlib.Path, wanted: str
) -> list[dict]:
  """A file system that another file fills."""
  workdir.mkdir()
  mount = ['mount', '-t', 'tmpfs', '-o', f'size={_TMPFS}', 'tmpfs', workdir]
  if subprocess.run(mount, capture_output=True).returncode:
    return [{'check': 'tmpfs: may not be mounted here', 'found': 'skipped'}]
  try:
    _stop_after_a_save(config, workdir)
    filler = workdir / 'filler'
    free = shutil.disk_usage(workdir).free
    filler.write_bytes(bytes(max(0, free - _ROOM)))
    return _out_of_room('tmpfs', config, workdir, wanted, filler=filler)
  finally:
    subprocess.run(['umount', '-l', workdir], check=True)


def _out_of_room(
  name: str,
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  wanted: str,
  before: Callable[[], None] | None = None,
  filler: pathlib.Path | None = None,
) -> list[dict]:
  """Continues without room, then with room."""
  intact = _steps(workdir)
  command = _command.run(config, workdir, *_LARGE, before=before)
  code = command.wait()
  kept = _steps(workdir)
  if filler:
    filler.unlink()
  again = _command.run(config, workdir, *_LARGE).wait()
  found = list(_command.digests(workdir).values())
  return [
    _checks.exactly(f'{name}: exit code without room', code, 1),
    _checks.exactly(f'{name}: said in one line', command.one_line, True),
    _checks.exactly(f'{name}: steps kept', kept, intact),
    _checks.exactly(f'{name}: exit code with room again', again, 0),
    _checks.exactly(f'{name}: final parameters', found, [wanted]),
  ]


def _stop_after_a_save(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> None:
  command = _command.run(config, workdir, *_LARGE)
  while not _steps(workdir):
    time.sleep(0.01)
  command.process.send_signal(signal.SIGTERM)
  command.wait()


def _steps(workdir: pathlib.Path) -> list[int]:
  return sorted(int(p.stem) for p in workdir.glob('runs/*/manifests/*.json'))
