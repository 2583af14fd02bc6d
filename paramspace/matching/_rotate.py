"""Rotations in the place of a group's permutations."""

import math
from collections.abc import Collection
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _relaxed


def rotate(
  spec: symmetry.Spec,
  rotations: Mapping[str, jax.Array],
  params: base.Params,
  still: Collection[str] = (),
) -> base.Params:
  """Returns the parameters with some groups' axes rotated.

  Along an axis of the group new[i] = sum_j R[i, j] old[j]; where there is a
  rotation for each index of another group, new[h, i] = sum_j R[h, i, j]
  old[h, j]. What writes to a residual stream and what reads from it both turn
  so, because the inverse of a rotation is its transpose.

  Args:
    spec: A specification.
    rotations: By group, `[*over, size, size]`, orthogonal.
    params: A tree of the specification's leaves and shapes.
    still: The names of leaves that stay, such as scales of 1 of an RMSNorm.

  Returns:
    A tree like `params`.

  Raises:
    ValueError: If the tree does not fit, or a rotation is of no group or of
      another shape.
  """
  leaves = symmetry.fit(spec, params)
  shapes = symmetry.shapes(spec)
  for name, x in rotations.items():
    want = (*shapes.get(name, ()), shapes.get(name, (0,))[-1])
    if x.shape != want:
      raise ValueError(
        f'The rotation of group {name!r} should have the shape {list(want)}, '
        f'got {list(x.shape)}; there are the groups {sorted(shapes)[:8]}.'
      )
  moved = {}
  for name, x in leaves.items():
    on = {f.name for axis in spec.leaves[name] for f in symmetry.factors(axis)}
    if name not in still and on & rotations.keys():
      x = jnp.asarray(x)
      turned = _turned(spec, rotations, spec.leaves[name], trees.widen(x))
      moved[name] = turned.astype(x.dtype)
  return trees.replace(params, moved)


def _size(axis):
  if isinstance(axis, symmetry.Factor):
    return axis.size
  sizes = list(map(_size, axis.parts))
  return math.prod(sizes) if isinstance(axis, symmetry.Product) else sum(sizes)


def _turned(spec, rotations, axes, x):
  """Returns a leaf rotated, taken apart as `symmetry.blocks` does."""
  for k, axis in enumerate(axes):
    if isinstance(axis, symmetry.Factor):
      continue
    parts = tuple(axis.parts)
    sizes = [_size(part) for part in parts]
    if isinstance(axis, symmetry.Product):
      apart = x.reshape(*x.shape[:k], *sizes, *x.shape[k + 1 :])
      inner = (*axes[:k], *parts, *axes[k + 1 :])
      return _turned(spec, rotations, inner, apart).reshape(x.shape)
    pieces, start = [], 0
    for part, n in zip(parts, sizes, strict=True):
      piece = jax.lax.slice_in_dim(x, start, start + n, axis=k)
      inner = (*axes[:k], part, *axes[k + 1 :])
      pieces.append(_turned(spec, rotations, inner, piece))
      start += n
    return jnp.concatenate(pieces, k)
  for k, factor in enumerate(axes):
    if factor.name in rotations:
      over = spec.groups[factor.name].over
      at = [_relaxed.nearest(axes, k, o) for o in over]
      new = [x.ndim if i == k else i for i in range(x.ndim)]
      turn = jnp.asarray(rotations[factor.name], x.dtype)
      highest = jax.lax.Precision.HIGHEST
      x = jnp.einsum(
        x, range(x.ndim), turn, [*at, x.ndim, k], new, precision=highest
      )
  return x
