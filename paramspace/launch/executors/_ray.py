"""Places jobs on a Ray cluster that is running, one actor for each host.

This process speaks to Ray and never imports JAX, which would take the TPU of
its host; neither do the actors, which start and watch a worker process each.
"""

import logging
import os
import signal
import time
from typing import Any
from typing import NamedTuple

from paramspace.launch import errors
from paramspace.launch.executors import _engine
from paramspace.launch.executors import _gang
from paramspace.launch.executors import _ray_host
from paramspace.launch.executors import _ray_places


class _Running(NamedTuple):
  place: _ray_places.Place
  actors: list[Any]
  ends: list[Any]  # References to the exit codes.
  deadline: list[float]  # Of those that wait for a peer that is gone.


class Ray:
  """See `_engine.Engine`."""

  name = 'ray'

  def __init__(self, jobs: int | None, hosts: int, resources: dict[str, str]):
    """Joins the cluster, that of `RAY_ADDRESS` or the one on this machine.

    Args:
      jobs: How many jobs at a time; None is as many as the cluster has room
        for, or one with a slice.
      hosts: How many hosts a job has, in one placement group.
      resources: What each host of a job must have, `CPU=1` or `TPU=4`. With
        `topology=2x2x2 version=v4` a job has a TPU slice, with all its hosts.

    Raises:
      errors.UsageError: If Ray or the cluster is not there, or no node has the
        resources.
    """
    self._ray = ray = _join()
    self._hosts = hosts
    self._slice = {
      k: resources.pop(k) for k in ('topology', 'version') if k in resources
    }
    self._bundle = _bundle(resources)
    room = 1 if self._slice else _ray_places.room(hosts, self._bundle)
    if not room:
      raise errors.UsageError(
        f'The Ray cluster has no {hosts} nodes with {self._bundle} each; it '
        f'has {ray.cluster_resources()}.'
      )
    self.slots = jobs or room
    self._running: dict[str, _Running] = {}

  def start(self, job: _engine.Job) -> None:
    """See `_engine.Engine`."""
    if self._slice:
      place, bundle = _ray_places.reserve_slice(**self._slice), None
    else:
      place = _ray_places.reserve(self._hosts, self._bundle)
      bundle = self._bundle
    actors = [
      _ray_places.actor(place, i, _ray_host.Host, bundle)
      for i in range(place.hosts)
    ]
    # A reference: the actors wait for it, this process does not.
    at = actors[0].address.remote() if place.hosts > 1 else None
    call = job, dict(_engine.environment()), os.getcwd(), at, place.hosts
    ends = [actor.run.remote(*call, i) for i, actor in enumerate(actors)]
    self._running[job.id] = _Running(place, actors, ends, [])

  def ended(self) -> list[tuple[str, int]]:
    """See `_engine.Engine`."""
    found = []
    for name, running in list(self._running.items()):
      ends = running.ends
      over, left = self._ray.wait(ends, num_returns=len(ends), timeout=0)
      bad = [c for c in map(self._code, over) if c]
      if left and not (bad and self._overdue(running)):
        continue
      found.append((name, bad[0] if bad else 0))
      self._free(running)
      del self._running[name]
    return found

  def stop(self) -> None:
    """See `_engine.Engine`."""
    for running in self._running.values():
      self._signal(running, signal.SIGTERM)

  def close(self) -> None:
    """See `_engine.Engine`."""
    for running in self._running.values():
      self._free(running)
    self._ray.shutdown()

  def _code(self, end: Any) -> int:
    """The exit code; that of a kill where the actor or its node is gone."""
    try:
      return self._ray.get(end)
    except self._ray.exceptions.RayError:
      return 137

  def _overdue(self, running: _Running) -> bool:
    """Asks the peers of one that is gone to stop; True once time is up."""
    if not running.deadline:
      running.deadline.append(time.monotonic() + _gang.GRACE)
      self._signal(running, signal.SIGTERM)
    return time.monotonic() > running.deadline[0]

  def _signal(self, running: _Running, number: int) -> list[Any]:
    return [actor.signal.remote(number) for actor in running.actors]

  def _free(self, running: _Running) -> None:
    told = self._signal(running, signal.SIGKILL)
    self._ray.wait(told, num_returns=len(told), timeout=5)
    for actor in running.actors:
      self._ray.kill(actor)
    running.place.free()


def _join() -> Any:
  try:
    import ray
  except ImportError:
    raise errors.UsageError(
      "--executor ray needs Ray: pip install 'paramspace[ray]'."
    ) from None
  os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
  try:
    ray.init('auto', log_to_driver=False, logging_level=logging.WARNING)
  except ConnectionError:
    raise errors.UsageError(
      'No Ray cluster was found; start one with `ray start --head`, or name '
      'one in RAY_ADDRESS.'
    ) from None
  return ray


def _bundle(resources: dict[str, str]) -> dict[str, float]:
  try:
    return {k: float(v) for k, v in resources.items()} or {'CPU': 1.0}
  except ValueError:
    raise errors.UsageError(
      f'--resource takes a number, such as CPU=1 or TPU=4, got {resources}.'
    ) from None
