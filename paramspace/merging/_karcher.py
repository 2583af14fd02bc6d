"""The mean of models on the sphere, at their mean length."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def karcher(steps: int = 10) -> base.Recipe:
  r"""theta = (sum_i w_i |v_i|) m, m the Karcher mean of v_i / |v_i|.

  m is the point of the sphere whose squared angles to the models sum to the
  least: sum_i w_i log_m(u_i) = 0, u_i = v_i / |v_i|. From the normalised mean,

    m <- exp_m(sum_i w_i log_m(u_i)),
    log_m(u) = theta_u / sin(theta_u) (u - cos(theta_u) m),

  with theta_u the angle from m to u. The weights are divided by their sum; v_i
  is a leaf of a model. A zero leaf has no direction and moves nothing.

  Args:
    steps: How many of these. Each divides the error of close models by a
      hundred or more; all are taken.

  Returns:
    A recipe.

  Raises:
    ValueError: If `steps` is no positive integer or, in `merge`, the weights
      sum to 0.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> a, b = {'w': jnp.array([1.0, 0.0])}, {'w': jnp.array([0.0, 3.0])}
    >>> merging.merge(base, {'a': a, 'b': b}, merging.karcher())['w'].round(4)
    Array([1.4142, 1.4142], dtype=float32)

  Note: mergekit stops where a step is shorter than 1e-5.

  References:
    Karcher, 1977, Riemannian center of mass and mollifier smoothing,
    https://doi.org/10.1002/cpa.3160300502.
  """
  if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
    raise ValueError(f'`steps` must be a positive integer, got {steps}.')

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    weights = _stack.along(leaf.weights, leaf.deltas)
    weights = weights / jnp.sum(weights)
    units = _stack.units(leaf.deltas)  # [n, *s]
    mean = _unit(_stack.summed(weights * units))

    def step(mean: jax.Array, _: None):
      return _exp(mean, _stack.summed(weights * _log(mean, units))), None

    mean, _ = jax.lax.scan(step, mean, length=steps)
    return jnp.sum(weights.ravel() * _stack.norms(leaf.deltas)) * mean

  check = lambda leaf: _check.weighable(leaf, 'karcher')
  return base.Recipe(
    base.Combine(apply, origin='zero', check=check, kind=base.alike)
  )


def _unit(x: jax.Array) -> jax.Array:
  return _stack.units(x[None])[0]


def _log(mean: jax.Array, units: jax.Array) -> jax.Array:
  """Returns the tangents at the mean that lead to the units, `[n, *s]`."""
  cosines = jnp.stack([jnp.sum(unit * mean) for unit in units])
  tangents = units - _stack.along(cosines, units) * mean[None]
  sines = _stack.norms(tangents)
  angles = jnp.arctan2(sines, jnp.where(sines > 0, cosines, 1))
  factors = jnp.where(sines > 0, _stack.ratio(angles, sines), 1)
  return _stack.along(factors, units) * tangents


def _exp(mean: jax.Array, tangent: jax.Array) -> jax.Array:
  """Returns the point of the sphere where the tangent leads."""
  (length,) = _stack.norms(tangent[None])
  sinc = jnp.where(length > 0, _stack.ratio(jnp.sin(length), length), 1)
  return _unit(jnp.cos(length) * mean + sinc * tangent)
