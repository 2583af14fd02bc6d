"""Which device computes which leaf, where there are several.

Leaves go to the devices in turn, each whole, so that they are computed as on
one device, to the bit. One that is too large for a device is split over all of
them: then sums may be taken in another order.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from paramspace import sharding
from paramspace.files import disk

Place = Callable[[str, np.ndarray], jax.Array]

_COPIES = 3  # Of all models in float32: what a leaf takes while it is merged.


def on_default(name: str, values: np.ndarray) -> jax.Array:
  """Puts a leaf where JAX puts all; on CPU it is not copied."""
  del name
  return jax.device_put(values, may_alias=True)


def chosen(devices: Sequence[jax.Device] | None) -> tuple[jax.Device, ...]:
  """Returns the devices to use; none for the default one alone.

  Args:
    devices: Those, or None for all accelerators of this process. Several
      devices of one CPU share its cores, and are not used unless given.
  """
  if devices is not None:
    return tuple(devices)
  found = jax.local_devices()
  return () if found[0].platform == 'cpu' or len(found) == 1 else tuple(found)


def placing(
  leaves: Mapping[str, disk.Leaf],
  models: int,
  devices: Sequence[jax.Device],
  memory: int | None = None,
) -> Place:
  """Returns a function that puts each leaf where it is computed.

  Args:
    leaves: Those of the base.
    models: How many are merged.
    devices: From `chosen`.
    memory: Bytes of a device; None for what it says of itself, if it does.
  """
  if not devices:
    return on_default
  memory = memory or _memory(devices[0])
  mesh = sharding.mesh(devices)
  places: dict[str, Any] = {}
  for i, (name, leaf) in enumerate(leaves.items()):
    needed = _COPIES * 4 * leaf.size * (models + 1)
    places[name] = devices[i % len(devices)]
    if memory is not None and needed > memory:
      like = jax.ShapeDtypeStruct(leaf.shape, leaf.stands_for)
      places[name] = sharding.fsdp(like, mesh)
  return lambda name, values: jax.device_put(values, places[name])


def _memory(device: jax.Device) -> int | None:
  """Returns how many bytes a device has, if it tells."""
  return (device.memory_stats() or {}).get('bytes_limit')
