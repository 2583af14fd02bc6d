"""What places processes, seen by what decides which to start."""

import os
import pathlib
import sys
from collections.abc import Mapping
from typing import NamedTuple
from typing import Protocol

# What the worker writes last, and the variables that it is told things by.
EXIT = 'exit.json'
CORES = 'PARAMSPACE_CORES'
PARENT = 'PARAMSPACE_PARENT'


class Job(NamedTuple):
  """A point to run in processes of its own.

  Attributes:
    id: The point's id.
    folder: The point's directory, on a file system that all hosts share.
    command: What one process runs; each of several gets `--distributed=` too.
  """

  id: str
  folder: pathlib.Path
  command: tuple[str, ...]

  @property
  def log(self) -> pathlib.Path:
    """Where stdout and stderr of the processes go."""
    return self.folder / 'log.txt'


class Engine(Protocol):
  """Starts jobs somewhere; knows nothing of points, retries or results.

  Attributes:
    name: The executor's name.
    slots: How many jobs to start at a time.
  """

  name: str
  slots: int

  def start(self, job: Job) -> None:
    """Starts a job, or queues it."""

  def ended(self) -> list[tuple[str, int]]:
    """Returns ids and exit codes, 128 + n for signal n, since the last call."""

  def stop(self) -> None:
    """Asks all jobs to save and end, as SIGTERM does."""

  def close(self) -> None:
    """Ends what is left, at once."""


def job(workdir: pathlib.Path, folder: pathlib.Path) -> Job:
  """Returns the job of the point in `folder`."""
  module = 'paramspace.launch.executors.worker'
  workdir = workdir.resolve()
  command = (sys.executable, '-m', module, str(workdir), folder.name)
  return Job(folder.name, workdir / 'runs' / folder.name, command)


def environment(**changes: str) -> Mapping[str, str]:
  """Returns this process's environment, in which a worker finds its study."""
  path = os.pathsep.join(p or os.getcwd() for p in sys.path)
  return os.environ | {'PYTHONPATH': path, 'PYTHONUNBUFFERED': '1'} | changes


def code(returned: int) -> int:
  """Returns an exit code as a shell does: 128 + n for signal n."""
  return 128 - returned if returned < 0 else returned
