"""A tree as few arrays: the small leaves together, the large ones as they are.

To write an array costs orbax about a millisecond of Python, however small it
is, and a training state has dozens of them, most of them small.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paramspace.files import bits
from paramspace.files import manifest

BLOCK = 'small'
SMALL = 2**20  # Bytes, below which a leaf goes into the block.


def pack(
  numbers: Mapping[str, Any], leaves: manifest.Leaves
) -> tuple[dict[str, Any], list[str]]:
  """Returns arrays that hold all leaves.

  Args:
    numbers: The leaves as numbers, see `bits.data`; NumPy arrays, but for those
      of which this process does not have the whole.
    leaves: What they are.

  Returns:
    `(arrays, small)`: the arrays, under names that say nothing of the leaves',
    which may be no names for files; and the leaves in the array `BLOCK`.
  """
  small = [
    name
    for name, x in sorted(numbers.items())
    if isinstance(x, np.ndarray) and leaves[name].nbytes < SMALL
  ]
  arrays = {slot: numbers[n] for slot, n in slots(leaves, small).items()}
  # Orbax cannot hold an array of no bytes, so there is always one.
  parts = [np.zeros(1, np.uint8), *(bits.to_bytes(numbers[n]) for n in small)]
  return arrays | {BLOCK: np.concatenate(parts)}, small


def slots(leaves: manifest.Leaves, small: list[str]) -> dict[str, str]:
  """Returns the leaf that each array is, by the arrays' names.

  The block, which is many leaves or none, is not among them.
  """
  apart = sorted(leaves.keys() - set(small))
  return {f'leaf{i}': name for i, name in enumerate(apart)}


def unpack(
  arrays: Mapping[str, Any], leaves: manifest.Leaves, small: list[str]
) -> dict[str, Any]:
  """Returns the leaves as numbers, from what `pack` returned.

  Raises:
    ValueError: If the block has not as many bytes as the leaves.
  """
  found = {n: arrays[slot] for slot, n in slots(leaves, small).items()}
  ends = np.cumsum([1, *(leaves[n].nbytes for n in small)])
  for name, part in zip(small, np.split(arrays[BLOCK], ends)[1:], strict=False):
    leaf = leaves[name]
    dtype = bits.number_dtype(leaf.dtype)
    found[name] = bits.from_bytes(part, leaf.data_shape, dtype)
  return found
