"""Runs points one after another in this process, by the study's `run`."""

import pathlib
import time
import types
from collections.abc import Callable
from collections.abc import Sequence

from paramspace.launch import errors
from paramspace.launch import failures
from paramspace.launch import meta
from paramspace.launch import points
from paramspace.launch import run

NAME = 'inline'


def plan(
  members: Sequence[points.Point], study: types.ModuleType
) -> list[points.Group]:
  """Returns a group for each point."""
  del study
  return [points.group([point], size=1) for point in members]


def execute(
  groups: Sequence[points.Group],
  study: types.ModuleType,
  workdir: pathlib.Path,
  should_stop: Callable[[], bool],
) -> list[failures.Failure]:
  """Runs the points that are not done and writes their results.

  Args:
    groups: From `plan`.
    study: A module with `run(config, run) -> dict`.
    workdir: The directory of the sweep.
    should_stop: Whether to stop between two points, and within one.

  Returns:
    The points whose study raised an exception; the others went on.

  Raises:
    errors.LaunchError: `Preempted` if stopped before all points were done, and
      what else a study raises of this kind.
  """
  found = []
  for point in (p for g in groups for p in g.points):
    folder = run.directory(workdir, point)
    if run.done(folder):
      continue
    if should_stop():
      raise errors.Preempted
    try:
      _execute_point(run.Run(folder, point.config, should_stop), study)
    except errors.LaunchError:
      raise
    except Exception as e:
      found.append(failures.record(folder, [point], e))
  return found


def _execute_point(one: run.Run, study: types.ModuleType) -> None:
  one.start(meta.record(study), resume=bool(one.checkpoints.steps()))
  began = time.monotonic()
  try:
    result = study.run(one.config, one)
  except errors.Diverged as e:
    result = {'status': 'diverged', 'reason': str(e)}
  seconds = round(time.monotonic() - began, 3)
  one.finish(result, executor=NAME, group_size=1, seconds=seconds)
  one.checkpoints.clear()
  failures.clear(one.dir)
