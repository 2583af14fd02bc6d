"""How many rows of a program the memory holds."""

import os
from collections.abc import Callable

import ml_collections

# The other half is for workspace, the data, and what the estimate leaves out.
SHARE = 0.5


def rows(
  row_bytes: Callable[[ml_collections.ConfigDict], int],
) -> Callable[[ml_collections.ConfigDict], int]:
  """Makes the limit of `points.groups` from a study's estimate.

  Args:
    row_bytes: The bytes that one row of a config takes, estimated.

  Returns:
    A function from a config to the number of rows, at least one, that fit in
    `SHARE` of the memory. The same on every start on one machine: it looks at
    what the device has, not at what is free.
  """
  return lambda config: max(1, int(SHARE * total()) // row_bytes(config))


def devices() -> int:
  """Returns the number of local devices."""
  import jax

  return jax.local_device_count()


def total() -> int:
  """Returns the bytes of all local devices; of the machine if they have none.

  The rows of a group are spread over the devices evenly.
  """
  import jax

  limits = [
    (d.memory_stats() or {}).get('bytes_limit') for d in jax.local_devices()
  ]
  physical = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
  return physical if None in limits else sum(limits)
