"""Places jobs on a Slurm cluster through submitit."""

import pathlib
from typing import Any

from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch.executors import _engine

# As many as a scheduler is asked to hold at a time.
_QUEUED = 1000


class Slurm:
  """See `_engine.Engine`.

  What submitit pickles is never read: how a job ended stands in its own files.
  """

  name = 'slurm'

  def __init__(
    self,
    jobs: int | None,
    hosts: int,
    resources: dict[str, str],
    folder: pathlib.Path,
  ):
    """Looks for Slurm.

    Args:
      jobs: How many jobs are queued or run at a time; None is 1,000.
      hosts: How many nodes a job has, one process on each.
      resources: submitit's parameters, `partition=gpu timeout_min=60`; with
        `cluster=local` the jobs are processes of this machine.
      folder: Where Slurm's logs and submitit's files go.

    Raises:
      errors.UsageError: If submitit or Slurm is not there, or a parameter is
        unknown.
    """
    try:
      import submitit
    except ImportError:
      raise errors.UsageError(
        "--executor slurm needs submitit: pip install 'paramspace[slurm]'."
      ) from None
    self.slots = jobs or _QUEUED
    cluster = resources.pop('cluster', 'slurm')
    values = {k: int(v) if v.isdecimal() else v for k, v in resources.items()}
    try:
      self._executor = submitit.AutoExecutor(folder, cluster=cluster)
      self._executor.update_parameters(
        nodes=hosts, tasks_per_node=1, **{'timeout_min': 1440} | values
      )
    except (RuntimeError, ValueError, NameError) as e:
      raise errors.UsageError(f'--executor slurm: {e}') from None
    self._distributed = ['--distributed=auto'] if hosts > 1 else []
    self._command = submitit.helpers.CommandFunction
    self._running: dict[str, tuple[_engine.Job, Any]] = {}

  def start(self, job: _engine.Job) -> None:
    """See `_engine.Engine`."""
    (job.folder / _engine.EXIT).unlink(missing_ok=True)
    # Not `env=`, which would take Slurm's own variables from the process.
    path = _engine.environment()['PYTHONPATH']
    command = ['env', f'PYTHONPATH={path}', *job.command, *self._distributed]
    function = self._command(command)
    self._running[job.id] = job, self._executor.submit(function)

  def ended(self) -> list[tuple[str, int]]:
    """See `_engine.Engine`."""
    found = []
    for name, (job, submitted) in list(self._running.items()):
      if submitted.done():
        kept = records.read(job.folder / _engine.EXIT)
        # A process that was killed writes nothing.
        found.append((name, kept['code'] if kept else 137))
        _keep_log(job, submitted)
        del self._running[name]
    return found

  def stop(self) -> None:
    """See `_engine.Engine`."""
    for _, submitted in self._running.values():
      submitted.cancel(check=False)

  def close(self) -> None:
    """See `_engine.Engine`."""
    self.stop()


def _keep_log(job: _engine.Job, submitted: Any) -> None:
  """Appends what the job printed to its own log."""
  text = f'{submitted.stdout() or ""}{submitted.stderr() or ""}'
  with job.log.open('a', encoding='utf-8') as log:
    log.write(text)
