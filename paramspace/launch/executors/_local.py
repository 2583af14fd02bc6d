"""Places jobs on this machine, each on its own cores or device."""

import os
import signal

from paramspace.launch.executors import _engine
from paramspace.launch.executors import _gang
from paramspace.launch.executors import _slots


class Local:
  """See `_engine.Engine`."""

  name = 'local'

  def __init__(self, jobs: int | None, hosts: int, resources: dict[str, str]):
    """Divides the machine.

    Args:
      jobs: How many jobs at a time; None is as many as there are devices, or
        cores.
      hosts: How many processes a job has.
      resources: Environment variables for the processes.
    """
    slots = _slots.divide(jobs * hosts if jobs else None)
    self.slots = max(1, len(slots) // hosts)
    self._free = [slots[i :: self.slots][:hosts] for i in range(self.slots)]
    self._resources = {_engine.PARENT: str(os.getpid()), **resources}
    self._running: dict[str, tuple[_gang.Gang, list]] = {}

  def start(self, job: _engine.Job) -> None:
    """See `_engine.Engine`."""
    slot = self._free.pop(0)
    environments = [
      _engine.environment(**self._resources, **variables) for variables in slot
    ]
    self._running[job.id] = _gang.Gang(job, environments), slot

  def ended(self) -> list[tuple[str, int]]:
    """See `_engine.Engine`."""
    found = []
    for name, (gang, slot) in list(self._running.items()):
      code = gang.ended()
      if code is not None:
        found.append((name, code))
        self._free.append(slot)
        del self._running[name]
    return found

  def stop(self) -> None:
    """See `_engine.Engine`."""
    for gang, _ in self._running.values():
      gang.signal(signal.SIGTERM)

  def close(self) -> None:
    """See `_engine.Engine`."""
    for gang, _ in self._running.values():
      gang.kill()
