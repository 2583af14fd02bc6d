"""Ranks of magnitudes along rows."""

import jax
import jax.numpy as jnp
from jax import lax

from paramspace.deltas import _sorted

SHORT = 4096  # Up to this length a row is ranked by the packed sort.
NEAR = 8  # How far from its rank an entry may lie after it.


def ranks(ranked: jax.Array) -> jax.Array:
  """Returns the rank of every entry in its row, 0 the smallest.

  Of equal entries, the first has the lowest rank.

  Integers are sorted six times as fast as pairs on CPU, and through a network
  faster still. So an entry's place in its row is packed into the low bits of
  its value. What is sorted then are values cut to 19 bits at least: nearly all
  lie within a few places of their rank, and the inversions that are left are
  counted. Rows for which that may not do are sorted as pairs.

  Args:
    ranked: `_select.bits`, `[*s]`.

  Returns:
    int32 `[*s]`.
  """
  if not ranked.ndim:
    return jnp.zeros_like(ranked)
  n = ranked.shape[-1]
  if not 1 < n <= SHORT:
    return _of_pairs(ranked)
  width = (n - 1).bit_length()
  packed = _sorted.rows(((ranked >> width) << width) | _place(ranked))
  order = packed & ((1 << width) - 1)
  values = jnp.take_along_axis(ranked, order, -1, mode='promise_in_bounds')
  places, exact = _corrected(values, width)
  return lax.cond(
    exact,
    lambda: _inverse(order, places),
    lambda: _of_pairs(ranked),
  )


def _corrected(values: jax.Array, width: int) -> tuple[jax.Array, jax.Array]:
  """Returns ranks of rows that are sorted but for their low bits.

  Args:
    values: Rows, `[*s]`; entries that differ above `width` bits are in order.
    width: A number of bits.

  Returns:
    The ranks, and whether they are exact: an entry is compared with NEAR on
    either side, so they are unless a longer run agrees in its high bits and not
    in all.
  """
  n, edge = values.shape[-1], [(0, 0)] * (values.ndim - 1)
  before = jnp.pad(values, [*edge, (NEAR, 0)])
  after = jnp.pad(
    values, [*edge, (0, NEAR)], constant_values=jnp.iinfo(jnp.int32).max
  )
  places, differ = _place(values), jnp.zeros(values.shape, bool)
  for d in range(1, NEAR + 1):
    later = lax.slice_in_dim(after, d, d + n, axis=-1)
    sooner = lax.slice_in_dim(before, NEAR - d, NEAR - d + n, axis=-1)
    places += (later < values).astype(jnp.int32)
    places -= (sooner > values).astype(jnp.int32)
    differ |= later != values
  long = (later >> width) == (values >> width)
  return places, ~jnp.any(long & differ)


def _of_pairs(ranked: jax.Array) -> jax.Array:
  pairs = (ranked, _place(ranked))
  _, order = lax.sort(pairs, dimension=ranked.ndim - 1, num_keys=1)
  return _inverse(order, _place(ranked))


def _inverse(order: jax.Array, places: jax.Array) -> jax.Array:
  """Puts `places` where `order` says they come from."""
  return jnp.put_along_axis(
    order, order, places, -1, inplace=False, mode='promise_in_bounds'
  )


def _place(x: jax.Array) -> jax.Array:
  return lax.broadcasted_iota(jnp.int32, x.shape, x.ndim - 1)
