"""Taking work in turns with other processes on the same directory."""

import pathlib
import time
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import TypeVar

from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import leases
from paramspace.launch import terminal

Unit = TypeVar('Unit')


def take(
  units: Iterable[Unit],
  folders: Callable[[Unit], list[pathlib.Path]],
  work: Callable[[Unit, leases.Held], bool],
  stop: Any,
) -> None:
  """Does each unit of work once, here or by whoever has claimed it.

  Args:
    units: The work, in its order.
    folders: The folders of a unit in which work is left. It is asked again
      once they are claimed: another process may have finished one meanwhile.
    work: Does a unit with the folders that could be claimed, at least one, and
      returns whether it is settled. It is not settled as long as another
      process holds what it needs.
    stop: `stop.requested` says whether to stop between two units.

  Raises:
    errors.Preempted: If stopped before all was done.
  """
  todo, told = list(units), False
  while todo:
    waiting = []
    for unit in todo:
      if stop.requested and folders(unit):
        raise errors.Preempted
      if not _settle(unit, folders, work):
        waiting.append(unit)
    if len(waiting) == len(todo):
      if not told:
        terminal.line(_whom(waiting, folders))
        told = True
      _sleep(stop)
    todo = waiting


def _settle(unit: Any, folders: Any, work: Any) -> bool:
  """Works on a unit if there is need; with many processes, all or none do."""
  if not distributed.agree(bool(folders(unit))):
    return True
  mine = folders(unit) if distributed.is_main() else []
  with leases.hold(mine) as held:
    if not distributed.agree(bool(folders(unit))):
      return True  # Finished by another between the question and the claim.
    if not distributed.agree(bool(held.folders)):
      return False
    # The others wait here until process 0 has written the result.
    return distributed.agree(work(unit, held))


def _whom(units: list[Any], folders: Any) -> str:
  left = [f for unit in units for f in folders(unit)]
  holders = {h for f in left if (h := leases.live(f))}
  names = sorted({f'process {h.pid} on {h.host}' for h in holders})
  return (
    f'{len(left)} of the points are run by {", ".join(names) or "another"}; '
    'waiting for them.'
  )


def _sleep(stop: Any) -> None:
  until = time.monotonic() + leases.BEAT
  while time.monotonic() < until and not stop.requested:
    time.sleep(min(0.2, leases.BEAT))
