"""Leaves as rows, along an axis that is counted from the last."""

import jax
import jax.numpy as jnp


def take(x: jax.Array, axis: int) -> jax.Array:
  """Returns `x` with the axis last, if it has that axis."""
  return jnp.moveaxis(x, axis, -1) if x.ndim >= -axis else x


def put(x: jax.Array, axis: int) -> jax.Array:
  """Undoes `take`."""
  return jnp.moveaxis(x, -1, axis) if x.ndim >= -axis else x


def length(x: jax.Array) -> int:
  """Returns the length of a row; a scalar is a row of one."""
  return x.shape[-1] if x.ndim else 1
