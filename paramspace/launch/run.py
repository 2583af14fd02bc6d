"""A run: one point's directory, and what its study may do with it."""

import contextlib
import pathlib
from collections.abc import Callable
from typing import Any

import ml_collections
import numpy as np

from paramspace.launch import artifacts
from paramspace.launch import checkpoints
from paramspace.launch import config as configs
from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import logbook
from paramspace.launch import metrics
from paramspace.launch import nonfinite
from paramspace.launch import points
from paramspace.launch import profiling
from paramspace.launch import records
from paramspace.launch import sinks
from paramspace.launch import terminal

STATUSES = ('done', 'diverged')
LOG_EVERY = 100  # Steps between fetches, if `config.execution` does not say.


def directory(workdir: pathlib.Path, point: points.Point) -> pathlib.Path:
  """Returns where a point lives; the same point has always the same place."""
  return workdir / 'runs' / point.id


def result(folder: pathlib.Path) -> dict[str, Any] | None:
  """Returns the content of a run's `result.json`.

  Returns:
    None if the run is not done: there is no such file, or it is not as it was
    written, or it is that of another run.
  """
  found = records.read(folder / 'result.json')
  if not records.sealed(found) or found.get('id') != folder.name:
    return None
  return found


def done(folder: pathlib.Path) -> bool:
  """Whether a run has its result; then it is never started again."""
  return result(folder) is not None


def log_every(config: ml_collections.ConfigDict) -> int:
  """Returns how many steps lie between two fetches, `LOG_EVERY` by default.

  Raises:
    errors.UsageError: If `config.execution.log_every` is not positive.
  """
  every = config.get('execution', {}).get('log_every', LOG_EVERY)
  if every < 1:
    raise errors.UsageError(
      f'`config.execution.log_every` is at least 1, got {every}.'
    )
  return every


class Run:
  """What the study's `run(config, run)` is given.

  Of several processes of one run, process 0 writes the files.

  Attributes:
    dir: The directory of the run.
    config: The locked config of the point.
    checkpoints: The `Checkpoints` of the run. Restoring one cuts the metrics
      back to its step.
    diverged: Why the run has to end as diverged; empty if it does not.
    stopping: `(step) -> bool`: whether to stop, and no more than `should_stop`
      asks about; for what runs on this run's behalf.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    config: ml_collections.ConfigDict,
    stop: Callable[[int], bool] = lambda step: False,
    profile: profiling.Window | None = None,
  ):
    """Touches no file yet.

    Args:
      folder: The directory of the run; its name is the point's id.
      config: The locked config.
      stop: Asked with the number of steps done whether to save and to end.
      profile: The steps of which to write a trace.

    Raises:
      errors.UsageError: If the config has a sink or a policy that is not there.
    """
    self.dir = folder
    self.config = config
    self.checkpoints = checkpoints.Checkpoints(
      folder / 'ckpt', self.restored, on_save=lambda step: self.flush()
    )
    self.stopping = stop
    self._profiler = profiling.Profiler(folder / 'profile', profile)
    self._book = logbook.Logbook(log_every(config), (), self._receive)
    self._watch = nonfinite.Watch(nonfinite.policy(config))
    self._sinks = sinks.Sinks(config.get('execution', {}).get('sinks', ()))
    self._meta: dict[str, Any] = {}
    self._first = 0

  @property
  def diverged(self) -> str:
    """See the class."""
    return self._watch.reason

  def log(self, step: int, **scalars: Any) -> None:
    """Adds numbers to the row of a step in `metrics.jsonl`.

    It waits for nothing: the numbers are fetched from the device together,
    every `config.execution.log_every` steps, before a checkpoint, and at the
    end. The arrays may be donated to the next step.

    Args:
      step: How many steps are behind these numbers; not less than before.
      **scalars: Numbers, or arrays of size one.

    Raises:
      errors.Diverged: If the policy of the config is to `stop`, and a loss that
        was fetched is not finite.
    """
    self._book.log(step, scalars)

  def watch(self, *names: str) -> None:
    """Lets `nonfinite` be about these scalars too, not only about losses.

    Call it before the checkpoint is restored.
    """
    self._watch.add(names)

  def should_stop(self, step: int) -> bool:
    """Whether to save now, and to raise `errors.Preempted`.

    Args:
      step: How many steps are done. With several processes, all of them ask
        after the same steps.

    Raises:
      errors.Diverged: As in `log`.
    """
    self._book.tick(step)
    if self._profiler.due(step):
      self.flush()
      self._profiler.at(step)
    return self.stopping(step)

  def flush(self) -> None:
    """Fetches what was logged and writes it.

    Raises:
      errors.Diverged: As in `log`.
    """
    self._book.fetch()

  def progress(
    self, total: int, description: str = ''
  ) -> contextlib.AbstractContextManager[terminal.Bar]:
    """Returns a context manager that shows a bar; see `terminal.progress`."""
    return terminal.progress(total, description)

  def save(self, name: str, tree: Any) -> pathlib.Path:
    """Keeps a tree as `artifacts/name.npz`; see `artifacts.save`."""
    folder = self.dir / 'artifacts'
    if not distributed.is_main():
      return folder / f'{name}.npz'
    return artifacts.save(folder, name, tree)

  def load(self, name: str) -> dict[str, Any]:
    """Returns a tree that was kept; see `artifacts.load`."""
    return artifacts.load(self.dir / 'artifacts', name)

  def start(self, meta: dict[str, Any], resume: bool) -> None:
    """Makes the directory and writes what is known before the first step.

    Args:
      meta: The content of `meta.json`, from `meta.record`. The number of this
        start is added to it.
      resume: Whether there is a checkpoint to go on from. If not, the metrics
        of an earlier start are removed.
    """
    if distributed.is_main():
      path = self.dir / 'meta.json'
      starts = (records.read(path) or {}).get('start', 0)
      self._meta = meta | {'start': starts + 1}
      records.write(self.dir / 'config.json', configs.flatten(self.config))
      records.write(path, self._meta)
      if not resume:
        metrics.truncate(self.dir / 'metrics.jsonl', -1)
    if not resume:
      self._profiler.at(0)

  def restored(self, step: int) -> None:
    """Cuts back to `step`, from which the run goes on."""
    path = self.dir / 'metrics.jsonl'
    if distributed.is_main():
      metrics.truncate(path, step)
    self._watch.until([r for r in metrics.read(path) if r['step'] <= step])
    self._book.go_on_from(step)
    self._profiler.at(step)
    self._first = step + 1

  def write(self, rows: logbook.Rows) -> None:
    """Writes rows that are on the host, up to the one that it diverged in."""
    if self.diverged:
      return
    numbers = [
      {'step': step} | {k: np.asarray(v).item() for k, v in values.items()}
      for step, values in rows
    ]
    numbers = self._watch.until(numbers)
    if distributed.is_main():
      metrics.append(self.dir / 'metrics.jsonl', numbers)
      if self._sinks.waiting:
        meta = self._meta | {'from_step': self._first}
        self._sinks.open(self.dir, configs.flatten(self.config), meta)
      self._sinks.write(numbers)

  def finish(self, result: dict[str, Any], **execution: Any) -> None:
    """Closes the run and writes `result.json`, after which it is done.

    Args:
      result: What the study returned: numbers and strings by name. 'status',
        if it is there, is one of `STATUSES`. Of a run that is `diverged` only
        the reason is kept.
      **execution: How it was executed, recorded beside the result.

    Raises:
      ValueError: If the status is unknown.
    """
    self.close()
    if self.diverged:
      result = {'status': 'diverged', 'reason': self.diverged}
    result = dict(result)
    status = result.pop('status', 'done')
    if status not in STATUSES:
      raise ValueError(f'A status is one of {STATUSES}, got {status!r}.')
    record = {'id': self.dir.name, 'status': status, 'result': result}
    if distributed.is_main():
      sealed = records.seal(record | execution)
      records.write(self.dir / 'result.json', sealed)

  def close(self) -> None:
    """Writes what was logged, and waits for the last checkpoint.

    Doing it again does nothing.

    Raises:
      errors.Diverged: As in `log`.
      Exception: What the last checkpoint failed with.
    """
    with contextlib.ExitStack() as last:
      last.callback(self.checkpoints.close)
      last.callback(self._sinks.close)
      last.callback(self._profiler.close)
      self.flush()

  def _receive(self, rows: logbook.Rows) -> None:
    self.write(rows)
    if self.diverged:
      raise errors.Diverged(self.diverged)
