"""Rounding to one of the two neighbours, at random and without bias."""

import jax
import jax.numpy as jnp
from jax import lax

from paramspace import base
from paramspace.deltas import _bits

SMALLEST = 2.0**-14  # The smallest normal float16; below, steps are 2^-24.


def stochastic(key: base.PRNGKey, x: jax.Array, dtype: jnp.dtype) -> jax.Array:
  """Returns `x` in bfloat16 or float16, with expectation `x`.

  The bits of a float32 that the narrow type has no room for are a fraction of
  its last place. A uniform random number below that place is added and the sum
  is cut: it carries with a probability that is that fraction.

  Args:
    key: The leaf's key.
    x: An array.
    dtype: The dtype to round to; if it has 32 bits or more, `x` is cast.
  """
  dtype = jnp.dtype(dtype)
  if jnp.finfo(dtype).bits >= 32:
    return x.astype(dtype)
  if dtype not in (jnp.bfloat16, jnp.float16):
    raise ValueError(f'Stochastic rounding to {dtype} is not defined.')
  x = x.astype(jnp.float32)
  drawn = _bits.draw(key, x.shape)
  dropped = 23 - jnp.finfo(dtype).nmant
  low = jnp.uint32((1 << dropped) - 1)
  bits = lax.bitcast_convert_type(x, jnp.uint32)
  cut = lax.bitcast_convert_type((bits + (drawn & low)) & ~low, jnp.float32)
  if dtype == jnp.float16:
    fraction = (drawn >> 8).astype(jnp.float32) * 2.0**-24
    steps = jnp.floor(x * 2.0**24 + fraction)
    small = jnp.copysign(steps * 2.0**-24, x)  # A zero keeps its sign.
    cut = jnp.where(jnp.abs(x) < SMALLEST, small, cut)
  return cut.astype(dtype)
