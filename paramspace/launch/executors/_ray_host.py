"""The actor of one host of a Ray cluster: it starts and watches a worker."""

import os
import signal
import subprocess
from collections.abc import Mapping

from paramspace.launch.executors import _engine
from paramspace.launch.executors import _gang

# What Ray sets for an actor, and the launcher knows nothing of.
_PLACED = ('CUDA_VISIBLE_DEVICES', 'TPU_', 'RAY_')


class Host:
  """Runs one worker process; `stop` may be called while it runs."""

  def __init__(self):
    self._process: subprocess.Popen | None = None

  def address(self) -> str:
    """Returns where process 0 of a gang can listen."""
    import ray

    host = ray.util.get_node_ip_address()
    return f'{host}:{_gang.free_port(host)}'

  def run(
    self,
    job: _engine.Job,
    environment: Mapping[str, str],
    cwd: str,
    at: str | None,
    count: int,
    index: int,
  ) -> int:
    """Runs a process of a job to its end.

    Args:
      job: The job.
      environment: The launcher's; what Ray has set here goes before it.
      cwd: The launcher's working directory.
      at: The address of process 0, if the job has several.
      count: How many processes the job has.
      index: Which of them this is.

    Returns:
      The exit code.
    """
    option = [f'--distributed={at},{count},{index}'] if at else []
    placed = {k: v for k, v in os.environ.items() if k.startswith(_PLACED)}
    job.folder.mkdir(parents=True, exist_ok=True)
    with job.log.open('ab') as log:
      self._process = subprocess.Popen(
        [*job.command, *option],
        env={**environment, **placed, _engine.PARENT: str(os.getpid())},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
      )
    return _engine.code(self._process.wait())

  def signal(self, number: int = signal.SIGTERM) -> None:
    """Sends a signal to the process; SIGTERM asks it to save and end."""
    if self._process is not None:
      self._process.send_signal(number)
