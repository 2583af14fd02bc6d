"""Arithmetic over the axis of the models."""

import functools
import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from paramspace import base

EXACT = 1 << 24  # Up to here float32 has all integers.


def along(weights: jax.Array, stack: jax.Array) -> jax.Array:
  """Returns weights `[n]` as `[n, 1, ...]`, to multiply a stack `[n, *s]`."""
  wide = jnp.asarray(weights).astype(stack.dtype)
  return wide.reshape(-1, *[1] * (stack.ndim - 1))


def stored(leaf: base.Leaf) -> base.Leaf:
  """Returns the leaf, its deltas laid out in memory once.

  Otherwise XLA, on CPU, fuses the stacking into every program that reads them.
  """
  return leaf._replace(deltas=jax.lax.optimization_barrier(leaf.deltas))


def total(leaf: base.Leaf) -> jax.Array:
  """Returns sum_i w_i d_i, `[*s]`."""
  return summed(scaled(leaf.weights, leaf.deltas))


def mean(leaf: base.Leaf) -> jax.Array:
  """Returns sum_i w_i d_i / sum_i w_i, `[*s]`."""
  w = jnp.asarray(leaf.weights)
  return summed(scaled(w / jnp.sum(w), leaf.deltas))


def scaled(weights: jax.Array, stack: jax.Array) -> list[jax.Array]:
  """Returns w_i d_i, n times `[*s]`.

  Each on its own, so that XLA need not lay the stack out in memory.
  """
  w = jnp.asarray(weights).astype(stack.dtype)
  return [v * d for v, d in zip(w, stack, strict=True)]


def summed(xs: jax.Array | Sequence[jax.Array]) -> jax.Array:
  """Returns the sum over the models, `[*s]`, one after another.

  On CPU, XLA reduces a leading axis forty times slower.
  """
  return functools.reduce(operator.add, [*xs])


def rounded(x: jax.Array) -> jax.Array:
  """Returns x, a product that is then added, as the float32 that it is.

  Otherwise XLA, on CPU, adds some products before they are rounded, depending
  on what else is in the program, and last bits differ from one to the other.
  """
  return jnp.where(jnp.isnan(x), jnp.nan, x)


def count(votes: jax.Array) -> jax.Array:
  """Returns the sum of votes of -1, 0 and 1, int32.

  Of each row as a product with ones, which is exact in float32 up to 2^24 and
  on CPU faster than a sum.
  """
  if votes.ndim and votes.shape[-1] < EXACT:
    wide = votes.astype(jnp.float32)
    ones = jnp.ones(wide.shape[-1], wide.dtype)
    votes = (wide @ ones).astype(jnp.int32)
  return jnp.sum(votes, dtype=jnp.int32)


def norms(stack: jax.Array) -> jax.Array:
  """Returns the Euclidean norms of the models, `[n]`, with gradient 0 at 0."""
  found = squares(stack)
  return jnp.where(found > 0, jnp.sqrt(jnp.where(found > 0, found, 1)), 0)


def squares(stack: jax.Array) -> jax.Array:
  """Returns the sums of squares of the models, `[n]`."""
  return jnp.stack([_square(x) for x in stack])


def _square(x: jax.Array) -> jax.Array:
  """Returns |x|^2: that of each row first, which devices do at once."""
  return jnp.sum(jnp.sum(x * x, -1) if x.ndim else x * x)


def units(stack: jax.Array) -> jax.Array:
  """Returns each model over its norm; zeros stay."""
  lengths = norms(stack)
  return stack / along(jnp.where(lengths > 0, lengths, 1), stack)


def ratio(a: jax.Array, b: jax.Array) -> jax.Array:
  """Returns a / b, and 0 where b is 0."""
  return jnp.where(b != 0, a / jnp.where(b != 0, b, 1), 0)
