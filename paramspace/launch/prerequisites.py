"""Points that another point needs the results of."""

import pathlib
from collections.abc import Callable
from collections.abc import Sequence

import ml_collections

from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import run as runs
from paramspace.launch.executors import inline


def ensure(
  run: runs.Run, configs: Sequence[ml_collections.ConfigDict]
) -> list[runs.Run]:
  """Runs points first, those that are not done in this working directory.

  They are points as any other, with directories by their ids: several studies,
  or the points of one, share what they are trained from. What is done is not
  done again, what was begun goes on, and of several processes one does it.

  Args:
    run: Whose working directory, and who is asked whether to stop.
    configs: Whole configs, with their `study`.

  Returns:
    A run for each, from which to `load` what it saved.

  Raises:
    errors.Preempted: If stopped before all were done.
    errors.UsageError: If a config is wrong.
    RuntimeError: If a point failed or diverged; names its directory.
  """
  workdir, stop = run.dir.parent.parent, _Stop(run.stopping)
  needed = [points.point(config) for config in configs]
  for point in needed:
    group = points.group([point], size=1)
    failed = inline.executor()([group], point.flat['study'], workdir, stop)
    if failed:
      raise RuntimeError(
        f'{workdir / "runs" / point.id}, which this point needs, failed:\n'
        f'{failed[0].traceback}'
      )
  folders = [runs.directory(workdir, point) for point in needed]
  for folder in folders:
    _check(folder)
  return [
    runs.Run(folder, point.config)
    for folder, point in zip(folders, needed, strict=True)
  ]


class _Stop:
  """What executors ask, of a run that has been asked to stop.

  Attributes:
    requested: What the last call returned.
  """

  def __init__(self, asked: Callable[[int], bool]):
    self.requested = False
    self._asked = asked

  def __call__(self, step: int) -> bool:
    """Whether to save now, and to end."""
    self.requested = self.requested or self._asked(step)
    return self.requested


def _check(folder: pathlib.Path) -> None:
  found = runs.result(folder)
  if found is None:
    raise errors.Preempted(f'{folder} was not done.')
  if found['status'] != 'done':
    raise RuntimeError(
      f'{folder}, which this point needs, is {found["status"]}: '
      f'{found["result"].get("reason", "see its metrics.")}'
    )
