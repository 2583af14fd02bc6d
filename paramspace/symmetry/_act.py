"""theta -> g.theta."""

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _axis
from paramspace.symmetry import _element
from paramspace.symmetry import _spec


def act(
  spec: _spec.Spec, element: _element.Element, params: base.Params
) -> base.Params:
  """Returns the parameters permuted, which compute the same function.

  Along an axis that a group g permutes, `new[i] = old[g[i]]`; where the group
  is one for each index h of another group s, `new[h, i] = old[s[h], g[h, i]]`.

  Args:
    spec: A specification, closed over or static under `jit`.
    element: An element, `{group: int32[*over, size]}`.
    params: A tree of the specification's leaves and shapes.

  Returns:
    A tree like `params`, its entries the same to the bit.

  Raises:
    ValueError: Naming the leaf or the group that does not fit.
  """
  leaves = _spec.fit(spec, params)
  _element.check(spec, element)
  moved = {
    name: jnp.asarray(act_on_leaf(spec, element, name, x))
    for name, x in leaves.items()
  }
  return trees.replace(params, moved)


def act_on_leaf(
  spec: _spec.Spec, element: _element.Element, name: str, leaf: jax.Array
) -> jax.Array:
  """Returns one leaf permuted, on the host if it is there; see `act`."""
  found = _axis.places(spec.leaves[name])
  xp, element = _element.arrays(element)
  froms: dict[int, jax.Array] = {}
  for place in found:
    if place.factor.name in element:
      ahead = _ahead(xp, spec, element, name, place, found, leaf.ndim)
      n = leaf.shape[place.axis]
      still = _along(xp.arange(n, dtype=xp.int32), place.axis, leaf.ndim)
      froms[place.axis] = froms.get(place.axis, still) + ahead
  for axis in [k for k, at in froms.items() if at.size == at.shape[k]]:
    leaf = _taken(leaf, froms.pop(axis).reshape(-1), axis)
  if not froms:
    return leaf
  grid = [
    froms.get(k, _along(xp.arange(n, dtype=xp.int32), k, leaf.ndim))
    for k, n in enumerate(leaf.shape)
  ]
  known = isinstance(leaf, np.ndarray) and xp is np
  return leaf[tuple(grid)] if known else _gathered(leaf, tuple(grid))


def _taken(leaf, index, axis):
  if isinstance(leaf, np.ndarray) and isinstance(index, np.ndarray):
    return leaf.take(index, axis)
  return jnp.take(leaf, index, axis, mode='clip', unique_indices=True)


@jax.jit
def _gathered(leaf, grid):
  return leaf.at[grid].get(mode='promise_in_bounds', unique_indices=True)


def _ahead(xp, spec, element, name, place, found, ndim):
  """Returns how far ahead on its axis each entry comes from, by this factor."""
  own = _along(xp.asarray(place.coordinate, xp.int32), place.axis, ndim)
  at = []
  for over in spec.groups[place.factor.name].over:
    index = _spec.index_of(place, over, found, name)
    at.append(_along(xp.asarray(index.coordinate, xp.int32), index.axis, ndim))
  source = element[place.factor.name][(*at, own)]
  inside = _along(xp.asarray(place.inside), place.axis, ndim)
  return xp.where(inside, (source - own) * place.stride, 0)


def _along(x, axis, ndim):
  """Returns `x` as an array of `ndim` dimensions along one of them."""
  return x.reshape([-1 if k == axis else 1 for k in range(ndim)])
