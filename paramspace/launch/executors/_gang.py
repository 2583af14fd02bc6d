"""The processes of one job on this machine, which live and die together."""

import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from collections.abc import Sequence

from paramspace.launch.executors import _engine

# Seconds that the others have to save once one process has ended.
GRACE = 30.0


class Gang:
  """Processes that are one program; one of them, most of the time."""

  def __init__(
    self, job: _engine.Job, environments: Sequence[Mapping[str, str]]
  ):
    """Starts a process for every environment.

    Args:
      job: What to run.
      environments: One for each process.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    with job.log.open('ab') as log:
      self._processes = [
        # A session of its own: Ctrl-C is for the launcher, which passes it on.
        subprocess.Popen(
          [*job.command, *option],
          env=environment,
          stdin=subprocess.DEVNULL,
          stdout=log,
          stderr=subprocess.STDOUT,
          start_new_session=True,
        )
        for option, environment in zip(
          _options(len(environments)), environments, strict=True
        )
      ]
    self._first: int | None = None
    self._deadline = 0.0

  def ended(self) -> int | None:
    """Returns the exit code of the first that ended badly, once all have ended.

    Until then None. When one ends badly the others are asked to stop, and
    killed after `GRACE` seconds: they wait for a peer that is gone.
    """
    codes = [p.poll() for p in self._processes]
    bad = [_engine.code(c) for c in codes if c]
    if bad and self._first is None:
      self._first, self._deadline = bad[0], time.monotonic() + GRACE
      self.signal(signal.SIGTERM)
    if None not in codes:
      return self._first or 0
    if self._first is not None and time.monotonic() > self._deadline:
      self.signal(signal.SIGKILL)
    return None

  def signal(self, number: int) -> None:
    """Sends a signal to the processes that live."""
    for process in self._processes:
      if process.poll() is None:
        process.send_signal(number)

  def kill(self) -> None:
    """Ends all processes and waits for that."""
    self.signal(signal.SIGKILL)
    for process in self._processes:
      process.wait()


def free_port(host: str = '127.0.0.1') -> int:
  """Returns a port that nothing listens on now."""
  with socket.socket() as found:
    found.bind((host, 0))
    return found.getsockname()[1]


def _options(count: int) -> list[list[str]]:
  if count == 1:
    return [[]]
  at = f'127.0.0.1:{free_port()}'
  return [[f'--distributed={at},{count},{i}'] for i in range(count)]
