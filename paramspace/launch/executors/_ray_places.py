"""Reserving hosts of a Ray cluster: placement groups, and TPU slices."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace.launch import errors

_NAMED = {'CPU': 'num_cpus', 'GPU': 'num_gpus', 'memory': 'memory'}


class Place(NamedTuple):
  """Hosts reserved together.

  Attributes:
    group: The placement group, a bundle for each host.
    hosts: How many hosts.
    free: Gives them back.
  """

  group: Any
  hosts: int
  free: Callable[[], None]


def reserve(hosts: int, bundle: Mapping[str, float]) -> Place:
  """Asks for hosts with the resources of a bundle each, all or none."""
  import ray

  strategy = 'STRICT_SPREAD' if hosts > 1 else 'PACK'
  group = ray.util.placement_group([dict(bundle)] * hosts, strategy=strategy)
  return Place(group, hosts, lambda: ray.util.remove_placement_group(group))


def reserve_slice(topology: str, version: str) -> Place:
  """Reserves a TPU slice with all of its hosts; waits until there is one.

  Args:
    topology: For example '2x2x2'.
    version: For example 'v4'.

  Raises:
    errors.UsageError: If there is no such slice.
  """
  from ray.util import tpu

  try:
    found = tpu.slice_placement_group(topology, version)
  except (RuntimeError, TimeoutError, ValueError) as e:
    raise errors.UsageError(f'No TPU slice {topology} of {version}: {e}') from e
  return Place(found.placement_group, found.num_hosts, found.shutdown)


def actor(
  place: Place, index: int, kind: type, bundle: Mapping[str, float] | None
) -> Any:
  """Starts an actor that fills one host of a place.

  Args:
    place: From `reserve`.
    index: Which host.
    kind: The actor's class.
    bundle: What the actor takes; None is all that the bundle has.
  """
  import ray
  from ray.util import scheduling_strategies

  bundle = place.group.bundle_specs[index] if bundle is None else bundle
  named = {_NAMED[k]: v for k, v in bundle.items() if k in _NAMED}
  strategy = scheduling_strategies.PlacementGroupSchedulingStrategy(
    placement_group=place.group, placement_group_bundle_index=index
  )
  options = {
    'num_cpus': 0,
    **named,
    'resources': {k: v for k, v in bundle.items() if k not in _NAMED},
    'scheduling_strategy': strategy,
    'max_concurrency': 2,  # One call waits for the process, one stops it.
  }
  return ray.remote(kind).options(**options).remote()


def room(hosts: int, bundle: Mapping[str, float]) -> int:
  """Returns how many places the nodes that are alive have, if all were free."""
  import ray

  nodes = [n['Resources'] for n in ray.nodes() if n['Alive']]
  fits = [
    min(int(node.get(k, 0) // v) for k, v in bundle.items() if v)
    for node in nodes
  ]
  if sum(map(bool, fits)) < hosts:
    return 0  # The hosts of a place are different nodes.
  return sum(fits) // hosts
