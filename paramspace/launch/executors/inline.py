"""Runs points one after another in this process, by the study's `run`."""

import contextlib
import pathlib
import time
import types
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import failures
from paramspace.launch import leases
from paramspace.launch import meta
from paramspace.launch import points
from paramspace.launch import profiling
from paramspace.launch import run
from paramspace.launch import study as studies
from paramspace.launch.executors import _turns

NAME = 'inline'


def plan(members: Sequence[points.Point], study: str) -> list[points.Group]:
  """Returns a group for each point."""
  del study
  return [points.group([point], size=1) for point in members]


def executor(
  profile: profiling.Window | None = None,
) -> Callable[..., list[failures.Failure]]:
  """Makes the function that runs points one after another.

  Args:
    profile: The steps to trace.
  """

  def execute(
    groups: Sequence[points.Group], study: str, workdir: pathlib.Path, stop: Any
  ) -> list[failures.Failure]:
    module, found = studies.load(study), []

    def folders(point: points.Point) -> list[pathlib.Path]:
      folder = run.directory(workdir, point)
      return [] if run.done(folder) else [folder]

    def work(point: points.Point, held: leases.Held) -> bool:
      folder = run.directory(workdir, point)
      one = run.Run(folder, point.config, held.guard(stop), profile=profile)
      try:
        _execute_point(one, module)
      except errors.LaunchError:
        raise
      except Exception as e:
        distributed.meet(e)  # Or is it that a peer has died?
        found.append(failures.record(folder, [point], e))
      return True

    _turns.take([p for g in groups for p in g.points], folders, work, stop)
    return found

  return execute


def _execute_point(one: run.Run, study: types.ModuleType) -> None:
  one.start(meta.record(study), resume=bool(one.checkpoints.steps()))
  began = time.monotonic()
  try:
    with contextlib.closing(one):  # Waits for the last checkpoint.
      result = study.run(one.config, one)
  except errors.Diverged as e:
    result = {'status': 'diverged', 'reason': str(e)}
  seconds = round(time.monotonic() - began, 3)
  one.finish(
    result, executor=NAME, group_size=1, seconds=seconds, **meta.where()
  )
  one.checkpoints.clear()
  failures.clear(one.dir)
