"""How an axis of a leaf is put together: factors, products, concatenations."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np


class Factor(NamedTuple):
  """An axis, or a part of one, that a group permutes.

  Attributes:
    name: Of the group; None if it stays as it is.
    size: How many entries it has.
  """

  name: str | None
  size: int


class Product(NamedTuple):
  """Axes flattened into one, the last the fastest, as by `reshape`."""

  parts: tuple['Axis', ...]


class Concat(NamedTuple):
  """Axes one after another, as by `concatenate`."""

  parts: tuple['Axis', ...]


Axis = Factor | Product | Concat


class Place(NamedTuple):
  """Where a factor is on an axis of a leaf.

  A position on the axis is the sum of `stride * coordinate` over the factors it
  lies within, and of what does not change.

  Attributes:
    axis: Which axis of the leaf.
    factor: The factor.
    stride: How far the next coordinate is.
    inside: `[n]`, bool: whether a position of the axis lies within it.
    coordinate: `[n]`: the factor's coordinate there; 0 outside.
  """

  axis: int
  factor: Factor
  stride: int
  inside: np.ndarray
  coordinate: np.ndarray


def size(axis: Axis) -> int:
  """Returns the number of entries of an axis.

  >>> size(Concat((Factor('a', 3), Product((Factor('b', 2), Factor(None, 4))))))
  11
  """
  if isinstance(axis, Factor):
    return axis.size
  sizes = [size(part) for part in axis.parts]
  return int(np.prod(sizes)) if isinstance(axis, Product) else sum(sizes)


def factors(axis: Axis) -> Iterator[Factor]:
  """Yields the factors of an axis, the named and the others, in order."""
  if isinstance(axis, Factor):
    yield axis
  else:
    for part in axis.parts:
      yield from factors(part)


def places(axes: tuple[Axis, ...]) -> list[Place]:
  """Returns where the named factors of a leaf are."""
  return [p for p in all_places(axes) if p.factor.name is not None]


def all_places(axes: tuple[Axis, ...]) -> list[Place]:
  """Returns where the factors of a leaf are, also those that stay."""
  found = []
  for k, axis in enumerate(axes):
    n = size(axis)
    whole = np.ones(n, bool), np.arange(n)
    for factor, stride, inside, at in _places(axis, 1, *whole):
      found.append(Place(k, factor, stride, inside, np.where(inside, at, 0)))
  return found


def _places(axis, stride, inside, at):
  """Yields them below `axis`, whose coordinate at each position is `at`."""
  if isinstance(axis, Factor):
    yield axis, stride, inside, at
  elif isinstance(axis, Product):
    step = size(axis)
    for part in axis.parts:
      step //= size(part)
      yield from _places(part, stride * step, inside, at // step % size(part))
  else:
    start = 0
    for part in axis.parts:
      stop = start + size(part)
      here = inside & (at >= start) & (at < stop)
      yield from _places(part, stride, here, at - start)
      start = stop


def blocks(
  axes: tuple[Axis, ...], leaf: jax.Array
) -> list[tuple[tuple[Factor, ...], jax.Array]]:
  """Returns a leaf taken apart until each axis of each part is one factor.

  Args:
    axes: How the leaf's axes are put together.
    leaf: `[*s]`.

  Returns:
    For each part its factors and its entries, one axis a factor. Together the
    parts have every entry of the leaf once.
  """
  for k, axis in enumerate(axes):
    if isinstance(axis, Product):
      inner = tuple(axis.parts)
      shape = leaf.shape[:k] + tuple(map(size, inner)) + leaf.shape[k + 1 :]
      return blocks(axes[:k] + inner + axes[k + 1 :], leaf.reshape(shape))
    if isinstance(axis, Concat):
      found, start = [], 0
      for part in axis.parts:
        cut = (slice(None),) * k + (slice(start, start + size(part)),)
        found += blocks((*axes[:k], part, *axes[k + 1 :]), leaf[cut])
        start += size(part)
      return found
  return [(axes, leaf)]
