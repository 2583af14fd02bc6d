"""A point on the arc from the base to one model."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _arc
from paramspace.merging import _check
from paramspace.merging import _config


@_config.recorded
def slerp(t: float | jax.Array = 0.5, straight: float = 1.0) -> base.Recipe:
  r"""theta = (sin((1 - t) Omega) base + sin(t Omega) theta_1) / sin Omega.

  Omega is the angle between a leaf of the base and that of the one model, as
  vectors from zero. Where they are parallel, opposite or zero, the point is
  that of the straight line. To go from one model to another, name the one as
  the base.

  Args:
    t: 0 gives the base, to the bit, and 1 the model.
    straight: The |cosine| above which the arc is taken for a line; mergekit's
      is 0.9995, under which most fine-tuned leaves are.

  Returns:
    A recipe for one model, without weights.

  Raises:
    ValueError: In `merge`, if there are more models.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.array([1.0, 0.0])}
    >>> tuned = {'a': {'w': jnp.array([0.0, 1.0])}}
    >>> merging.merge(base, tuned, merging.slerp(0.5))['w'].round(4)
    Array([0.7071, 0.7071], dtype=float32)

  Note: Lengths are mixed as the sines say; between vectors of one length, that
    length is kept.

  References:
    Shoemake, 1985, Animating rotation with quaternion curves,
    https://doi.org/10.1145/325165.325242.
  """
  if jnp.shape(t):
    raise ValueError(f'`t` must be a scalar, got shape {jnp.shape(t)}.')

  def check(leaf: base.Leaf):
    _check.models(leaf, 'slerp', 1, 1)
    _check.unweighted(leaf, 'slerp')

  def apply(known: dict, leaf: base.Leaf):
    (delta,) = leaf.deltas
    pair = jnp.stack([leaf.base, leaf.base + delta])
    a, b = _arc.coefficients(pair, t, straight)
    return (a + b - 1) * leaf.base + b * delta

  return base.Recipe(base.Combine(apply, check=check, kind=base.alike))
