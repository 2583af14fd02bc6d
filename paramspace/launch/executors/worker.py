"""A process that runs one point, started by an executor.

`python -m paramspace.launch.executors.worker WORKDIR ID` reads the point from
its directory, not from the config file, which may have been edited since.
"""

import argparse
import os
import pathlib
import signal
import sys
import threading
import traceback
from collections.abc import Sequence

from paramspace.launch import compilation
from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import preemption
from paramspace.launch import records
from paramspace.launch.executors import _engine
from paramspace.launch.executors import inline


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a point whose `config.json` has been written.

  Args:
    argv: The sweep's directory, the point's id, and what `_options` lists.

  Returns:
    The exit code, also kept in the point's `exit.json`.
  """
  options = _options(argv)
  folder = options.workdir / 'runs' / options.id
  _pin()
  _follow_parent()
  signal.signal(signal.SIGUSR2, _as_sigterm)  # Slurm's warning before the end.
  try:
    code = _run(options, folder)
  except errors.LaunchError as e:
    print(f'paramspace: {e or type(e).__name__}', file=sys.stderr)
    code = e.code
  except Exception as e:
    distributed.meet(e)  # Aborts, to be started again, if a peer has died.
    traceback.print_exc()
    code = errors.FAILED
  if distributed.is_main():
    records.write(folder / _engine.EXIT, {'code': code})
  return code


def _run(options: argparse.Namespace, folder: pathlib.Path) -> int:
  point = points.read(folder)
  compilation.enable()
  processes = distributed.initialize(distributed.parse(options.distributed))
  with preemption.watch(processes) as stop:
    group = points.group([point], size=1)
    study = point.flat['study']
    failed = inline.executor()([group], study, options.workdir, stop)
  if failed:
    print(failed[0].traceback, file=sys.stderr)
  return errors.FAILED if failed else errors.DONE


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m paramspace.launch.executors.worker'
  )
  parser.add_argument('workdir', type=pathlib.Path)
  parser.add_argument('id')
  parser.add_argument('--distributed', default='off')
  return parser.parse_args(argv)


def _pin() -> None:
  """Keeps to the cores that the executor chose, before threads are made."""
  cores = os.environ.get(_engine.CORES)
  if cores and hasattr(os, 'sched_setaffinity'):
    os.sched_setaffinity(0, {int(core) for core in cores.split(',')})


def _follow_parent() -> None:
  """Saves and stops when the launcher is gone, which starts again later."""
  parent = os.environ.get(_engine.PARENT)
  if not parent:
    return

  def follow() -> None:
    while os.getppid() == int(parent):
      over.wait(0.5)
    os.kill(os.getpid(), signal.SIGTERM)

  over = threading.Event()
  threading.Thread(target=follow, name='parent', daemon=True).start()


def _as_sigterm(number: int, frame: object) -> None:
  del number, frame
  os.kill(os.getpid(), signal.SIGTERM)


if __name__ == '__main__':
  sys.exit(main())
