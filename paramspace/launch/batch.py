"""A batch: many points as the rows of one program."""

import contextlib
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from paramspace.launch import checkpoints
from paramspace.launch import errors
from paramspace.launch import logbook
from paramspace.launch import mapping
from paramspace.launch import profiling
from paramspace.launch import run
from paramspace.launch import terminal


class BatchRun:
  """What the study's `run_batch(configs, run)` is given: a `Run` of many.

  The program has `size` rows, one for each config. The first are the members,
  in order; the others repeat the last config, so that the program has the same
  size however many points are missing, and are thrown away.

  Attributes:
    size: The number of rows, n.
    checkpoints: The `Checkpoints` of all rows together. Restoring one cuts the
      metrics of every member back to its step.
    diverged: Why the program has to end; empty as long as a member is finite.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    runs: Sequence[run.Run],
    size: int,
    stop: Callable[[int], bool] = lambda step: False,
    exact: bool = False,
    profile: profiling.Window | None = None,
  ):
    """Begins the trace, if it begins with the first step; writes nothing.

    Args:
      folder: The directory of the group.
      runs: The members.
      size: The number of rows.
      stop: As in `Run`.
      exact: Whether the rows are computed one after another, with the bits of
        single runs, or together.
      profile: As in `Run`; the trace is kept by the first member.
    """
    self.size = size
    self.checkpoints = checkpoints.Checkpoints(
      folder / 'ckpt', self._restored, on_save=lambda step: self.flush()
    )
    self._runs = tuple(runs)
    self._stop, self._exact = stop, exact
    self._profiler = profiling.Profiler(runs[0].dir / 'profile', profile)
    every = run.log_every(runs[0].config)
    self._book = logbook.Logbook(every, (size,), self._receive)
    if not self.checkpoints.steps():
      self._profiler.at(0)

  @property
  def diverged(self) -> str:
    """See the class."""
    return self._runs[0].diverged if all(r.diverged for r in self._runs) else ''

  def each(self, f: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
    """Returns the function of all rows, of a function of one row.

    Args:
      f: A function of trees of arrays.
      in_axes: As in `jax.vmap`, which it is if the rows are computed together.
    """
    import jax

    return (mapping.mapped if self._exact else jax.vmap)(f, in_axes)

  def place(self, tree: Any) -> Any:
    """Spreads the leading axis `[n]` of every leaf over the local devices.

    Rows that are computed one after another stay where they are.
    """
    from paramspace import sharding

    return tree if self._exact else sharding.rows(tree)

  def log(self, step: int, **arrays: Any) -> None:
    """Adds row i of every array, `[n]`, to the metrics of member i.

    Args:
      step: As in `Run.log`.
      **arrays: Numbers by name, one for each row.

    Raises:
      ValueError: If an array has another shape.
      errors.Diverged: If the policy of the config is to `stop`, and each of the
        members has had a loss that was not finite.
    """
    self._book.log(step, arrays)

  def watch(self, *names: str) -> None:
    """As `Run.watch`, for all members."""
    for one in self._runs:
      one.watch(*names)

  def should_stop(self, step: int) -> bool:
    """As `Run.should_stop`."""
    self._book.tick(step)
    if self._profiler.due(step):
      self.flush()
      self._profiler.at(step)
    return self._stop(step)

  def flush(self) -> None:
    """As `Run.flush`."""
    self._book.fetch()

  def progress(
    self, total: int, description: str = ''
  ) -> contextlib.AbstractContextManager[terminal.Bar]:
    """Returns a context manager that shows a bar; see `terminal.progress`."""
    return terminal.progress(total, description)

  def save(self, name: str, tree: Any) -> None:
    """Keeps row i of every leaf, `[n, *s]`, among the artifacts of member i."""
    import jax

    for i, one in enumerate(self._runs):
      one.save(name, jax.tree.map(lambda x, i=i: x[i], tree))

  def close(self) -> None:
    """As `Run.close`, with the members."""
    with contextlib.ExitStack() as last:
      last.callback(self.checkpoints.close)
      for one in self._runs:
        last.callback(one.close)
      last.callback(self._profiler.close)
      self.flush()

  def _receive(self, rows: logbook.Rows) -> None:
    for i, one in enumerate(self._runs):
      one.write([(t, {k: v[i] for k, v in row.items()}) for t, row in rows])
    if self.diverged:
      raise errors.Diverged(self.diverged)

  def _restored(self, step: int) -> None:
    for one in self._runs:
      one.restored(step)
    self._book.go_on_from(step)
    self._profiler.at(step)
