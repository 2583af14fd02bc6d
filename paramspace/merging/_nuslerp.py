"""A point on the arc between two deltas, or two models."""

from collections.abc import Hashable
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _arc
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _layout
from paramspace.merging import _stack


@_config.recorded
def nuslerp(
  on: str = 'deltas',
  per: str = 'leaf',
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""The point t = w_2 / (w_1 + w_2) of the arc from one model to the other.

  With Omega the angle between two vectors, one of each,

    (sin((1 - t) Omega) v_1 + sin(t Omega) v_2) / sin Omega.

  Args:
    on: What v is: 'deltas', from the base, or 'weights', from zero.
    per: What a vector is: a whole 'leaf'; a 'row', as PyTorch has them, the
      inputs of one output of a kernel and the features of one row of an
      embedding; or a 'column', along the other axis. Leaves of one axis are
      one vector.
    stacked: As in `axes`.

  Returns:
    A recipe for two models. The one has weight 1 and the other 0: it is the
    one.

  Raises:
    ValueError: In `merge`, if there are not two models, or the weights sum to
      0.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> a, b = {'w': jnp.array([1.0, 0.0])}, {'w': jnp.array([0.0, 1.0])}
    >>> merging.merge(base, {'a': a, 'b': b}, merging.nuslerp())['w'].round(4)
    Array([0.7071, 0.7071], dtype=float32)

  Note: The name, and the rows and columns, are mergekit's.

  References:
    Shoemake, 1985, Animating rotation with quaternion curves,
    https://doi.org/10.1145/325165.325242.
  """
  _check.one_of('on', on, ('deltas', 'weights'))
  _check.one_of('per', per, ('leaf', 'row', 'column'))

  def check(leaf: base.Leaf):
    _check.models(leaf, 'nuslerp', 2, 2)
    _check.weighable(leaf, 'nuslerp')

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    weights = jnp.asarray(leaf.weights)
    t = weights[1] / jnp.sum(weights)
    if per == 'leaf':
      return _between(leaf.deltas, t)
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    pair = jnp.stack([_layout.matrices(x, at) for x in leaf.deltas])
    across = at.is_map if per == 'row' else at.kind == 'embedding'
    axis = -2 if across else -1
    vectors = jnp.moveaxis(pair, axis, -1)  # [2, L, v, m]
    point = jax.vmap(jax.vmap(_between, (1, None)), (1, None))(vectors, t)
    point = jnp.moveaxis(point, -1, axis)
    return _layout.restored(point, at, leaf.base.shape)

  def kind(name: str, shape: tuple[int, ...]) -> Hashable:
    return None if per == 'leaf' else _layout.axes(name, shape, stacked)

  origin = 'base' if on == 'deltas' else 'zero'
  combine = base.Combine(apply, origin=origin, check=check, kind=kind)
  return base.Recipe(combine)


def _between(pair: jax.Array, t: jax.Array) -> jax.Array:
  """Returns the point at t of the arc from one to the other, `[*s]`."""
  a, b = _arc.coefficients(pair, t)
  return a * pair[0] + b * pair[1]
