"""Axes that a `reshape` is about to divide.

A fused projection is often reshaped to `[3, heads, dim]` and then taken apart
along the 3. To divide its axis at once would make the three permute alike. So a
division waits until the value is used in another way than being taken apart.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from paramspace.symmetry import _flow


class Fold:
  """An axis of one value that is about to be divided.

  Attributes:
    whole: The axis.
    sizes: Of its factors.
  """

  def __init__(self, whole: _flow.Node, sizes: Sequence[int]):
    self.whole, self.sizes = whole, tuple(sizes)

  def parts(self) -> list['_flow.Axis | Part']:
    """Returns the factors, to be divided later."""
    if sum(size != 1 for size in self.sizes) == 1:
      return [self.whole if size != 1 else None for size in self.sizes]
    return [
      Part(self, k) if size != 1 else None for k, size in enumerate(self.sizes)
    ]


class Part(NamedTuple):
  """One of the factors, which has the place of an axis until then."""

  fold: Fold
  index: int


Axes = tuple[_flow.Axis | Part, ...]


def divided(axes: Axes) -> tuple[tuple[_flow.Axis, ...], list[_flow.Node]]:
  """Divides the axes that wait for it.

  Args:
    axes: Of a value.

  Returns:
    The axes, and those nodes that could not be divided.
  """
  found, failed = list(axes), []
  for k, axis in enumerate(axes):
    if isinstance(axis, Part):
      fold = axis.fold
      factors = _flow.divide(fold.whole, fold.sizes)
      if factors is None:
        failed.append(fold.whole)
        found[k] = _flow.fixed(fold.sizes[axis.index])
        _flow.spoil(found[k])
      else:
        found[k] = factors[axis.index]
  return tuple(found), failed


def segments(axes: Axes, k: int, sizes: Sequence[int]) -> list[Axes] | None:
  """Returns the axes of the segments of a value along one axis.

  Args:
    axes: Of the value.
    k: The axis to cut.
    sizes: Of the segments.

  Returns:
    For each segment the axes; None if the parts of the axis do not allow it.
  """
  axis = axes[k]
  if not isinstance(axis, Part):
    pieces = _flow.cut(axis, sizes)
    return pieces and [(*axes[:k], piece, *axes[k + 1 :]) for piece in pieces]
  if axis.index:
    return None
  inner = math.prod(axis.fold.sizes[1:])
  pieces = _flow.cut(axis.fold.whole, [size * inner for size in sizes])
  return pieces and [
    _refolded(axes, axis.fold, piece, size)
    for piece, size in zip(pieces, sizes, strict=True)
  ]


def _refolded(axes, old, piece, size):
  """Puts the parts of a segment of the whole in the place of the whole's."""
  new = Fold(piece, (size, *old.sizes[1:])).parts()
  return tuple(
    new[axis.index] if isinstance(axis, Part) and axis.fold is old else axis
    for axis in axes
  )
