"""A point on the arc between two deltas, or two models."""

import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _arc
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def nuslerp(on: str = 'deltas') -> base.Recipe:
  r"""The point t = w_2 / (w_1 + w_2) of the arc from one model to the other.

  With Omega the angle between a leaf of the two,

    (sin((1 - t) Omega) v_1 + sin(t Omega) v_2) / sin Omega.

  Args:
    on: What v is: 'deltas', from the base, or 'weights', from zero.

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

  Note: mergekit, whose name it is, has variants by row and column.

  References:
    Shoemake, 1985, Animating rotation with quaternion curves,
    https://doi.org/10.1145/325165.325242.
  """
  _check.one_of('on', on, ('deltas', 'weights'))

  def check(leaf: base.Leaf):
    _check.models(leaf, 'nuslerp', 2, 2)
    _check.weighable(leaf, 'nuslerp')

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    weights = jnp.asarray(leaf.weights)
    a, b = _arc.coefficients(leaf.deltas, weights[1] / jnp.sum(weights))
    return a * leaf.deltas[0] + b * leaf.deltas[1]

  origin = 'base' if on == 'deltas' else 'zero'
  return base.Recipe(base.Combine(apply, origin=origin, check=check))
