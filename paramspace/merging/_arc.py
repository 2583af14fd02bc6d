"""Points on the arc between two vectors."""

import jax
import jax.numpy as jnp

from paramspace.merging import _stack


def coefficients(
  pair: jax.Array, t: jax.Array, straight: float = 1.0
) -> tuple[jax.Array, jax.Array]:
  """Returns (a, b) of the point a u + b v at t of the arc from u to v.

  Args:
    pair: u and v, `[2, *s]`.
    t: A number.
    straight: The |cosine| above which the arc is taken for its chord.

  Returns:
    sin((1 - t) Omega) / sin Omega and sin(t Omega) / sin Omega, or 1 - t and t
    where there is no arc: one is zero, or they are parallel or opposite.
  """
  lengths = _stack.norms(pair)
  u, v = _stack.units(pair)
  sine = _stack.norms(jnp.stack([u - v, u + v]))
  # Accurate for small angles, where the arccosine of the cosine is not.
  angle = 2 * jnp.arctan2(sine[0], jnp.where(lengths.all(), sine[1], 1))
  flat = jnp.abs(jnp.sum(u * v)) > straight
  small = jnp.finfo(pair.dtype).eps
  curved = lengths.all() & ~flat & (jnp.sin(angle) > small)
  angle = jnp.where(curved, angle, 1)
  t = jnp.asarray(t).astype(pair.dtype)
  a = jnp.where(curved, jnp.sin((1 - t) * angle) / jnp.sin(angle), 1 - t)
  b = jnp.where(curved, jnp.sin(t * angle) / jnp.sin(angle), t)
  return a, b
