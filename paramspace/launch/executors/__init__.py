"""Executors: how the points of a sweep are run.

An executor is a module with two functions:
  `plan(points, study) -> list[points.Group]` says which points share a program;
  `execute(groups, study, workdir, should_stop) -> list[failures.Failure]` runs
  those that are not done, writes their results, and returns what failed.
"""

import types
from collections.abc import Callable

from paramspace import resolve
from paramspace.launch import errors
from paramspace.launch.executors import inline
from paramspace.launch.executors import vmapped

NAMES = ('inline', 'vmapped')


def choose(
  study: types.ModuleType, name: str | None = None
) -> types.ModuleType:
  """Returns an executor.

  Args:
    study: The study to run.
    name: One of `NAMES`; None is `vmapped` where the study has a `run_batch`
      and `inline` where it has none.

  Raises:
    errors.UsageError: If there is no such executor, or the study cannot be run
      by it.
  """
  function: Callable | None = getattr(study, 'run_batch', None)
  if name is None:
    return vmapped if function else inline
  if name not in NAMES:
    raise errors.UsageError(resolve.unknown('executor', name, NAMES))
  if name == 'vmapped' and function is None:
    raise errors.UsageError(
      f'{study.__name__} has no `run_batch(configs, run)`, which --executor '
      'vmapped calls; use --executor inline.'
    )
  return {'inline': inline, 'vmapped': vmapped}[name]
