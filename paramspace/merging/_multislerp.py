"""The mean direction of models, at their mean length."""

import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def multislerp(on: str = 'weights') -> base.Recipe:
  r"""theta = (sum_i w_i |v_i|) m / |m|, m = sum_i w_i v_i / |v_i|.

  The weights are divided by their sum; v_i is a leaf of a model.

  Args:
    on: What v is: 'weights', from zero, or 'deltas', from the base.

  Returns:
    A recipe.

  Raises:
    ValueError: In `merge`, if the weights sum to 0.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> a, b = {'w': jnp.array([1.0, 0.0])}, {'w': jnp.array([0.0, 3.0])}
    >>> recipe = merging.multislerp()
    >>> merging.merge(base, {'a': a, 'b': b}, recipe)['w'].round(4)
    Array([1.4142, 1.4142], dtype=float32)

  Note: mergekit, whose name it is, then takes one step on the sphere from m
    along the mean of the tangents there. That mean is zero, for any models and
    weights, and the step is left out. `karcher` is the mean on the sphere.
  """
  _check.one_of('on', on, ('weights', 'deltas'))

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    weights = _stack.along(leaf.weights, leaf.deltas)
    weights = weights / jnp.sum(weights)
    mean = _stack.summed(weights * _stack.units(leaf.deltas))
    length = jnp.sum(weights.ravel() * _stack.norms(leaf.deltas))
    return length * _stack.units(mean[None])[0]

  origin = 'base' if on == 'deltas' else 'zero'
  check = lambda leaf: _check.weighable(leaf, 'multislerp')
  return base.Recipe(
    base.Combine(apply, origin=origin, check=check, kind=base.alike)
  )
