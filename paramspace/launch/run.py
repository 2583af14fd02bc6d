"""A run: one point's directory, and what its study may do with it."""

import contextlib
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from paramspace.launch import artifacts
from paramspace.launch import checkpoints
from paramspace.launch import config as configs
from paramspace.launch import metrics
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import terminal

STATUSES = ('done', 'diverged')


def directory(workdir: pathlib.Path, point: points.Point) -> pathlib.Path:
  """Returns where a point lives; the same point has always the same place."""
  return workdir / 'runs' / point.id


def result(folder: pathlib.Path) -> dict[str, Any] | None:
  """Returns the content of a run's `result.json`; None if it is not done."""
  found = records.read(folder / 'result.json')
  return found if found and found.get('id') == folder.name else None


def done(folder: pathlib.Path) -> bool:
  """Whether a run has its result; then it is never started again."""
  return result(folder) is not None


class Run:
  """What the study's `run(config, run)` is given.

  Attributes:
    dir: The directory of the run.
    config: The locked config of the point.
    checkpoints: The `Checkpoints` of the run. Restoring one cuts the metrics
      back to its step.
    should_stop: Takes nothing and says whether to save, and to raise
      `errors.Preempted`, now.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    config: ml_collections.ConfigDict,
    should_stop: Callable[[], bool] = lambda: False,
  ):
    self.dir = folder
    self.config = config
    self.should_stop = should_stop
    self.checkpoints = checkpoints.Checkpoints(folder / 'ckpt', self.truncate)

  def log(self, step: int, **scalars: Any) -> None:
    """Appends a row to `metrics.jsonl`.

    Args:
      step: How many steps are behind these numbers.
      **scalars: Numbers, or arrays of size one. Every call waits for them: log
        every `config.execution.log_every` steps, not every step.
    """
    metrics.append(self.dir / 'metrics.jsonl', step, scalars)

  def progress(
    self, total: int, description: str = ''
  ) -> contextlib.AbstractContextManager[terminal.Bar]:
    """Returns a context manager that shows a bar; see `terminal.progress`."""
    return terminal.progress(total, description)

  def save(self, name: str, tree: Any) -> pathlib.Path:
    """Keeps a tree as `artifacts/name.npz`; see `artifacts.save`."""
    return artifacts.save(self.dir / 'artifacts', name, tree)

  def truncate(self, step: int) -> None:
    """Removes the metrics of the steps after `step`."""
    metrics.truncate(self.dir / 'metrics.jsonl', step)

  def start(self, meta: dict[str, Any], resume: bool) -> None:
    """Makes the directory and writes what is known before the first step.

    Args:
      meta: The content of `meta.json`, from `meta.record`.
      resume: Whether there is a checkpoint to go on from. If not, the metrics
        of an earlier start are removed.
    """
    config = configs.flatten(self.config)
    records.write(self.dir / 'config.json', config)
    records.write(self.dir / 'meta.json', meta)
    if not resume:
      self.truncate(-1)

  def finish(self, result: dict[str, Any], **execution: Any) -> None:
    """Writes `result.json`, after which the run is done.

    Args:
      result: What the study returned: numbers and strings by name. 'status',
        if it is there, is one of `STATUSES`.
      **execution: How it was executed, recorded beside the result.

    Raises:
      ValueError: If the status is unknown.
    """
    result = dict(result)
    status = result.pop('status', 'done')
    if status not in STATUSES:
      raise ValueError(f'A status is one of {STATUSES}, got {status!r}.')
    record = {'id': self.dir.name, 'status': status, 'result': result}
    records.write(self.dir / 'result.json', record | execution)


class BatchRun:
  """What the study's `run_batch(configs, run)` is given: a `Run` of many.

  The program has `size` rows, one for each config. The first are the members,
  in order; the others repeat the last config, so that the program has the same
  size however many points are missing, and are thrown away.

  Attributes:
    size: The number of rows, n.
    checkpoints: The `Checkpoints` of all rows together. Restoring one cuts the
      metrics of every member back to its step.
    should_stop: As in `Run`.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    runs: Sequence[Run],
    size: int,
    should_stop: Callable[[], bool] = lambda: False,
  ):
    self.size = size
    self.should_stop = should_stop
    self.checkpoints = checkpoints.Checkpoints(folder / 'ckpt', self.truncate)
    self._runs = tuple(runs)

  def log(self, step: int, **arrays: Any) -> None:
    """Appends row i of every array, `[n]`, to the metrics of member i.

    Args:
      step: How many steps are behind these numbers.
      **arrays: Numbers by name, one for each row.

    Raises:
      ValueError: If an array has another shape.
    """
    columns = {name: np.asarray(x) for name, x in arrays.items()}
    for name, column in columns.items():
      if column.shape != (self.size,):
        raise ValueError(
          f'log({name}=...) takes one number for each of {self.size} rows, got '
          f'shape {column.shape}.'
        )
    for i, run in enumerate(self._runs):
      run.log(step, **{name: column[i] for name, column in columns.items()})

  def progress(
    self, total: int, description: str = ''
  ) -> contextlib.AbstractContextManager[terminal.Bar]:
    """Returns a context manager that shows a bar; see `terminal.progress`."""
    return terminal.progress(total, description)

  def save(self, name: str, tree: Any) -> None:
    """Keeps row i of every leaf, `[n, *s]`, among the artifacts of member i."""
    import jax

    for i, run in enumerate(self._runs):
      run.save(name, jax.tree.map(lambda x, i=i: x[i], tree))

  def truncate(self, step: int) -> None:
    """Removes the metrics of the steps after `step`, of every member."""
    for run in self._runs:
      run.truncate(step)
