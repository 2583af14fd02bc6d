"""Leaves of models on disk, described and compared one at a time."""

import hashlib
import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np

from paramspace.cli import _bytes
from paramspace.files import bits
from paramspace.files import disk
from paramspace.files import manifest

_CHUNK = 1 << 20  # Values that are in memory at once.
_SHOWN = 16  # Digits of a digest.

Rows = tuple[list[dict[str, Any]], str]


def describe(tree: disk.Tree, advance: Callable[[int], None]) -> Rows:
  """Returns what the leaves of a tree are, and a line of their totals.

  Args:
    tree: The tree.
    advance: Is told of the bytes that were read.
  """
  rows, leaves = [], {}
  for name, leaf in tree.leaves.items():
    digest = hashlib.sha256()
    for part in _chunks(leaf):
      digest.update(bits.to_bytes(part))
      advance(part.nbytes)
    dtype = str(leaf.dtype.newbyteorder('='))
    found = digest.hexdigest()
    leaves[name] = manifest.Leaf(leaf.shape, dtype, leaf.nbytes, found)
    rows.append(
      {
        'leaf': name,
        'shape': str(list(leaf.shape)),
        'dtype': dtype,
        'bytes': leaf.nbytes,
        'sha256': found[:_SHOWN],
      }
    )
  size = sum(leaf.size for leaf in tree.leaves.values())
  return rows, (
    f'{_count(len(rows), "leaf", "leaves")}, {_count(size, "parameter")}, '
    f'{_bytes.text(tree.nbytes)} in '
    f'{_count(len(tree.files), "file")}; digest {manifest.digest_of(leaves)}'
  )


def compare(a: disk.Tree, b: disk.Tree, advance: Callable[[int], None]) -> Rows:
  """Returns |b - a|, |b - a| / |a| and cos(a, b) of each leaf, and of all.

  Args:
    a: A tree.
    b: A tree of the same leaves and shapes; dtypes may be others.
    advance: Is told of the bytes that were read.

  Raises:
    ValueError: If the leaves are not the same; names the first.
  """
  _check_shapes(a, b)
  rows, total = [], np.zeros(4)
  for name, leaf in a.leaves.items():
    sums = np.zeros(4)  # Of d d, a a, b b and a b, d = b - a.
    pairs = zip(_chunks(leaf), _chunks(b.leaves[name]), strict=True)
    for x, y in pairs:
      u, v = x.astype(np.float64), y.astype(np.float64)
      d = v - u
      sums += [d @ d, u @ u, v @ v, u @ v]
      advance(x.nbytes + y.nbytes)
    total += sums
    rows.append({'leaf': name, **_measures(sums)})
  found = _measures(total)
  text = ', '.join(f'{key} {value:.4g}' for key, value in found.items())
  return rows, f'{_count(len(rows), "leaf", "leaves")}: {text}'


def _count(number: int, one: str, many: str = '') -> str:
  return f'{number} {one if number == 1 else many or one + "s"}'


def _measures(sums: np.ndarray) -> dict[str, float]:
  d, u, v, dot = map(float, sums)
  return {
    '|delta|': math.sqrt(d),
    '|delta|/|a|': math.sqrt(d / u) if u else math.nan,
    'cosine': dot / math.sqrt(u * v) if u * v else math.nan,
  }


def _chunks(leaf: disk.Leaf) -> Iterator[np.ndarray]:
  """Yields the values of a leaf in their order, some at a time."""
  flat = leaf.view().reshape(-1)
  for at in range(0, len(flat), _CHUNK):
    yield flat[at : at + _CHUNK]


def _check_shapes(a: disk.Tree, b: disk.Tree) -> None:
  for name in [*a.leaves, *b.leaves]:
    shapes = [
      list(tree.leaves[name].shape) if name in tree.leaves else 'absent'
      for tree in (a, b)
    ]
    if shapes[0] != shapes[1]:
      raise ValueError(
        f'leaf {name!r} is {shapes[0]} in {a.path} and {shapes[1]} in '
        f'{b.path}; two models are compared leaf by leaf.'
      )
