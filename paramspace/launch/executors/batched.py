"""Runs groups of points in one program each, by the study's `run_batch`.

`vmapped` computes the rows of a program together, over all local devices: fast,
and a row's last bits depend on how many rows there are. So a group has one
declared size, and is always padded to it. `mapped` computes them one after
another: each row has the bits of a single run.
"""

import contextlib
import math
import pathlib
import shutil
import time
import types
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from paramspace.launch import batch as batches
from paramspace.launch import errors
from paramspace.launch import failures
from paramspace.launch import leases
from paramspace.launch import memory
from paramspace.launch import meta
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch import study as studies
from paramspace.launch.executors import _turns

VMAPPED = 'vmapped'
MAPPED = 'mapped'


def plan(
  members: Sequence[points.Point], study: str, name: str = VMAPPED
) -> list[points.Group]:
  """Returns groups of points that differ in the study's `VMAPPABLE` keys.

  A group has as many rows as fit in memory, by the study's `row_bytes` where it
  has one, unless `execution.group_size` says how many. Where that is not said,
  and rows are spread over several devices, it is a multiple of their number.

  Args:
    members: All points of the sweep.
    study: The name of the study's module.
    name: `VMAPPED` or `MAPPED`.
  """
  module = studies.load(study)
  devices = memory.devices() if name == VMAPPED else 1
  row_bytes = getattr(module, 'row_bytes', None)
  limit = memory.rows(row_bytes) if row_bytes else None
  vmappable = getattr(module, 'VMAPPABLE', ())
  return [
    _even(group, devices) for group in points.groups(members, vmappable, limit)
  ]


def executor(name: str) -> Callable[..., list[failures.Failure]]:
  """Makes the function that runs groups as `name` does.

  Args:
    name: `VMAPPED` or `MAPPED`.
  """

  def execute(
    groups: Sequence[points.Group], study: str, workdir: pathlib.Path, stop: Any
  ) -> list[failures.Failure]:
    module, found = studies.load(study), []

    def folders(group: points.Group) -> list[pathlib.Path]:
      return [run.directory(workdir, p) for p in _missing(group, workdir)]

    def work(group: points.Group, held: leases.Held) -> bool:
      folder, guarded = workdir / 'groups' / group.id, held.guard(stop)
      # Twice where an earlier start left a group with fewer members behind.
      while members := _members(group, workdir, folder, held):
        try:
          _execute_group(group, members, module, workdir, guarded, name)
        except errors.LaunchError:
          raise
        except Exception as e:
          found.append(failures.record(folder, members, e))
          return True
      return not _missing(group, workdir)

    _turns.take(groups, folders, work, stop)
    return found

  return execute


def _execute_group(
  group: points.Group,
  members: Sequence[points.Point],
  study: types.ModuleType,
  workdir: pathlib.Path,
  stop: Callable[[int], bool],
  name: str,
) -> None:
  folder = workdir / 'groups' / group.id
  runs = [run.Run(run.directory(workdir, p), p.config, stop) for p in members]
  batch = batches.BatchRun(folder, runs, group.size, stop, exact=name == MAPPED)
  about, resume = meta.record(study), bool(batch.checkpoints.steps())
  for one in runs:
    one.start(about, resume)
  began = time.monotonic()
  padding = [members[-1].config] * (group.size - len(members))
  try:
    with contextlib.closing(batch):  # Waits for the last checkpoint.
      results = study.run_batch([p.config for p in members] + padding, batch)
  except errors.Diverged as e:  # Of all rows.
    results = [{'status': 'diverged', 'reason': str(e)}] * group.size
  if len(results) != group.size:
    raise ValueError(
      f'`run_batch` of {study.__name__} was given {group.size} configs and '
      f'returned {len(results)} results; return one for each.'
    )
  seconds = round(time.monotonic() - began, 3)
  about = {'executor': name, 'group_size': group.size, 'seconds': seconds}
  for one, result in zip(runs, results, strict=False):
    if not run.done(one.dir):
      one.finish(result, **about, **meta.where())
      failures.clear(one.dir)
  shutil.rmtree(folder)


def _members(
  group: points.Group,
  workdir: pathlib.Path,
  folder: pathlib.Path,
  held: leases.Held,
) -> list[points.Point]:
  """The points that are rows of the program; none if some are not ours.

  Those are the missing ones of the first start. A process that is killed while
  it writes the results leaves a checkpoint with all of them, so they stay
  members until the last result is written.
  """
  missing = {p.id for p in _missing(group, workdir)}
  ours = missing & {f.name for f in held.folders}
  kept = records.read(folder / 'group.json')
  if kept is not None and not missing & set(kept['members']):
    shutil.rmtree(folder)  # All of its members got their results elsewhere.
    kept = None
  if kept is None:
    if not ours:
      return []
    kept = {'members': sorted(ours), 'size': group.size}
    records.write(folder / 'group.json', kept)
  elif not missing & set(kept['members']) <= ours:
    return []
  return [p for p in group.points if p.id in kept['members']]


def _missing(group: points.Group, workdir: pathlib.Path) -> list[points.Point]:
  """The points that have no result."""
  return [p for p in group.points if not run.done(run.directory(workdir, p))]


def _even(group: points.Group, devices: int) -> points.Group:
  """Returns the group with as many rows on every device."""
  declared = group.points[0].config.get('execution', {}).get('group_size', 0)
  if declared or group.size < devices:
    return group
  size = math.ceil(group.size / devices) * devices
  return points.group(group.points, size)
