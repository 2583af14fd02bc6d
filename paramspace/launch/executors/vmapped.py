"""Runs groups of points in one program each, by the study's `run_batch`."""

import pathlib
import shutil
import time
import types
from collections.abc import Callable
from collections.abc import Sequence

from paramspace.launch import errors
from paramspace.launch import failures
from paramspace.launch import memory
from paramspace.launch import meta
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import run

NAME = 'vmapped'


def plan(
  members: Sequence[points.Point], study: types.ModuleType
) -> list[points.Group]:
  """Returns groups of points that differ in the study's `VMAPPABLE` keys.

  A group has as many rows as fit in memory, by the study's `row_bytes` where it
  has one, unless `execution.group_size` says how many.
  """
  row_bytes = getattr(study, 'row_bytes', None)
  limit = memory.rows(row_bytes) if row_bytes else None
  return points.groups(members, getattr(study, 'VMAPPABLE', ()), limit)


def execute(
  groups: Sequence[points.Group],
  study: types.ModuleType,
  workdir: pathlib.Path,
  should_stop: Callable[[], bool],
) -> list[failures.Failure]:
  """Runs the points that are not done and writes their results.

  Args:
    groups: From `plan`.
    study: A module with `run_batch(configs, run) -> list[dict]`. It is given
      as many configs as the group has rows.
    workdir: The directory of the sweep.
    should_stop: Whether to stop between two groups, and within one.

  Returns:
    The groups in which the study raised an exception; the others went on.

  Raises:
    errors.LaunchError: `Preempted` if stopped before all points were done, and
      what else a study raises of this kind.
  """
  found = []
  for group in groups:
    # Twice where an earlier start left a group with fewer members behind.
    while missing := _missing(group, workdir):
      if should_stop():
        raise errors.Preempted
      try:
        _execute_group(group, study, workdir, should_stop)
      except errors.LaunchError:
        raise
      except Exception as e:
        lost = [p for p in group.points if p.id in missing]
        found.append(failures.record(workdir / 'groups' / group.id, lost, e))
        break
  return found


def _execute_group(
  group: points.Group,
  study: types.ModuleType,
  workdir: pathlib.Path,
  should_stop: Callable[[], bool],
) -> None:
  folder = workdir / 'groups' / group.id
  members = _members(group, workdir, folder)
  runs = [
    run.Run(run.directory(workdir, p), p.config, should_stop) for p in members
  ]
  batch = run.BatchRun(folder, runs, group.size, should_stop)
  about, resume = meta.record(study), bool(batch.checkpoints.steps())
  for one in runs:
    one.start(about, resume)
  began = time.monotonic()
  padding = [members[-1].config] * (group.size - len(members))
  results = study.run_batch([p.config for p in members] + padding, batch)
  if len(results) != group.size:
    raise ValueError(
      f'`run_batch` of {study.__name__} was given {group.size} configs and '
      f'returned {len(results)} results; return one for each.'
    )
  seconds = round(time.monotonic() - began, 3)
  for one, result in zip(runs, results, strict=False):
    if not run.done(one.dir):
      one.finish(result, executor=NAME, group_size=group.size, seconds=seconds)
  shutil.rmtree(folder)


def _members(
  group: points.Group, workdir: pathlib.Path, folder: pathlib.Path
) -> list[points.Point]:
  """The points that are rows of the program.

  Those are the missing ones of the first start. A process that is killed while
  it writes the results leaves a checkpoint with all of them, so they stay
  members until the last result is written.
  """
  kept = records.read(folder / 'group.json')
  if kept is None:
    kept = {'members': _missing(group, workdir), 'size': group.size}
    records.write(folder / 'group.json', kept)
  return [p for p in group.points if p.id in kept['members']]


def _missing(group: points.Group, workdir: pathlib.Path) -> list[str]:
  """The ids of the points that have no result."""
  return [p.id for p in group.points if not run.done(run.directory(workdir, p))]
