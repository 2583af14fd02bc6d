"""What has become of a point, from its files alone."""

import pathlib

from paramspace.launch import failures
from paramspace.launch import leases
from paramspace.launch import run
from paramspace.launch import steps
from paramspace.launch.looking import directory as directories

NAMES = ('pending', 'running', 'preempted', 'failed', 'diverged', 'done')


def of(folder: pathlib.Path) -> str:
  """Returns the state of a run, or of a group, from its folder.

  Returns:
    One of `NAMES`. 'done' and 'diverged' have a result whose digest holds;
    'running' a claim whose process is alive; 'failed' a log of what was raised;
    'preempted' a checkpoint to go on from. All others are 'pending'.
  """
  found = run.result(folder)
  if found is not None:
    return found['status']
  if leases.live(folder):
    return 'running'
  if any((folder / n).exists() for n in (failures.RECORD, failures.LOG)):
    return 'failed'
  return 'preempted' if steps.committed(folder / 'ckpt') else 'pending'


def survey(directory: directories.Directory) -> dict[str, str]:
  """Returns the state of every point, in their order.

  A point that is a row of a group has its checkpoint and its failure there.
  """
  found = {name: of(directory.run(name)) for name in directory.points}
  for folder, members in directory.groups():
    state = of(folder)
    for name in members:
      if found.get(name) == 'pending':
        found[name] = state
  return found
