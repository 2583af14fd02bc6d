"""The exact k largest magnitudes, without a sort.

The bit pattern of |x|, read as an integer, has the order of |x|: denormals and
zeros included, and 0.0 and -0.0 are equal. So the k-th largest is found by
counting: a histogram of the high bits says which bin it is in, one of the low
bits within that bin says which value it is. Of the entries that are equal to
it, the first are kept, in the order of a leaf in memory.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from paramspace.deltas import _rows

HIGH = 17  # Bits of the first histogram.
LOW = 14  # Bits of the second; a magnitude has 31.
SMALL = 1 << 15  # Leaves below this size are bisected, as rows are.


def bits(magnitude: jax.Array) -> jax.Array:
  """Returns int32 that have the order of |magnitude|, as float32."""
  wide = lax.stop_gradient(magnitude).astype(jnp.float32)
  return lax.bitcast_convert_type(wide, jnp.int32) & jnp.int32(0x7FFFFFFF)


def value(ranked: jax.Array) -> jax.Array:
  """Returns the float32 magnitude of which these are the `bits`."""
  return lax.bitcast_convert_type(jnp.asarray(ranked, jnp.int32), jnp.float32)


def largest(ranked: jax.Array, count: int, scope: str) -> jax.Array:
  """Marks the `count` largest of a leaf, or of each of its rows.

  Args:
    ranked: `bits`, `[*s]`.
    count: How many; all, if there are no more.
    scope: 'leaf', or 'row', along the last axis.

  Returns:
    Booleans `[*s]`, exactly `count` of them true.
  """
  size = ranked.size if scope == 'leaf' else _rows.length(ranked)
  if count <= 0 or count >= size:
    return jnp.full(ranked.shape, count > 0)
  if scope == 'leaf' and ranked.size >= SMALL:
    return above(ranked, *_by_histogram(ranked, count))
  rows = ranked.reshape((-1, size))  # [r, m]
  threshold, end = _bisect(rows, count)
  first = _place(rows) < end
  marked = (rows > threshold) | ((rows == threshold) & first)
  return marked.reshape(ranked.shape)


def kth(ranked: jax.Array, count: int, scope: str) -> jax.Array:
  """Returns the k-th largest of a leaf, or of each of its rows.

  Args:
    ranked: `bits`, `[*s]`.
    count: k, from 1 to the size of a leaf or a row.
    scope: 'leaf' or 'row'.

  Returns:
    An int32, or one of each row, `[*s[:-1], 1]`.
  """
  if scope == 'row':
    rows = ranked.reshape((-1, _rows.length(ranked)))
    shape = (*ranked.shape[:-1], 1) if ranked.ndim else ()
    return _bisect(rows, count, ties=False)[0].reshape(shape)
  if ranked.size < SMALL:
    return _bisect(ranked.reshape((1, -1)), count, ties=False)[0].reshape(())
  return _by_histogram(ranked, count)[0]


def above(
  ranked: jax.Array, threshold: jax.Array, ties: jax.Array
) -> jax.Array:
  """Marks all above the threshold, and the first `ties` that are equal."""
  threshold, ties = jnp.int32(threshold), jnp.int32(ties)
  rows = ranked.reshape(-1, _rows.length(ranked))  # [r, m]
  equal = rows == threshold
  # The row in which the last of them lies, then its place in that row.
  ends = jnp.cumsum(jnp.sum(equal, 1, jnp.int32), dtype=jnp.int32)
  row = jnp.minimum(jnp.sum(ends < ties, dtype=jnp.int32), len(ends) - 1)
  line = lax.dynamic_index_in_dim(equal, row, keepdims=False)
  before = ends[row] - jnp.sum(line, dtype=jnp.int32)
  seen = before + jnp.cumsum(line, dtype=jnp.int32)
  column = jnp.sum(seen < ties, dtype=jnp.int32)
  r = lax.broadcasted_iota(jnp.int32, rows.shape, 0)
  first = (r < row) | ((r == row) & (_place(rows) <= column))
  kept = (rows > threshold) | (equal & first & (ties > 0))
  return kept.reshape(ranked.shape)


def before(
  ranked: jax.Array, threshold: jax.Array, end: jax.Array
) -> jax.Array:
  """Marks all above the threshold, and those equal to it before a place."""
  threshold, end = jnp.int32(threshold), jnp.int32(end)
  place = jnp.zeros(ranked.shape, jnp.int32)
  for axis, size in enumerate(ranked.shape):
    along = lax.broadcasted_iota(jnp.int32, ranked.shape, axis)
    place = place * size + along
  return (ranked > threshold) | ((ranked == threshold) & (place < end))


def high_counts(ranked: jax.Array) -> jax.Array:
  """Returns how many have each value of the high bits, int32."""
  return _histogram(ranked >> LOW, 1, HIGH)


def low_counts(ranked: jax.Array, high: jax.Array) -> jax.Array:
  """The same of the low bits, among those whose high bits are `high`."""
  alike = ((ranked >> LOW) == jnp.int32(high)).astype(jnp.int32)
  return _histogram(ranked & jnp.int32((1 << LOW) - 1), alike, LOW)


def descend(counts: Any, k: Any) -> tuple[Any, Any]:
  """Returns the bin of the k-th from above, and its rank in that bin.

  Args:
    counts: A histogram: an int32 array, or an int64 array of NumPy.
    k: At most their sum; with 0, the rank is 0.
  """
  upto = counts.cumsum(dtype=counts.dtype)
  over = upto[-1] - k  # So many lie below the k-th.
  at = (upto <= over).sum(dtype=counts.dtype).clip(max=len(counts) - 1)
  return at, upto[at] - over


def _by_histogram(ranked: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
  """Returns the k-th largest, and how many equal to it are among the k."""
  high, rest = descend(high_counts(ranked), count)
  low, ties = descend(low_counts(ranked, high), rest)
  return (high << LOW) | low, ties


def _histogram(places: jax.Array, ones: Any, width: int) -> jax.Array:
  empty = jnp.zeros(1 << width, jnp.int32)
  return empty.at[places].add(ones, mode='promise_in_bounds')


def _bisect(
  rows: jax.Array, count: int, ties: bool = True
) -> tuple[jax.Array, jax.Array]:
  """Returns the k-th largest of rows, and where the ties end that are kept.

  Both are found bit by bit, from the highest: 31 of the value, then, unless in
  every row all ties are kept, those of the place.

  Args:
    rows: `bits`, `[r, m]`.
    count: k.
    ties: Whether the second is needed.

  Returns:
    Two int32 `[r, 1]`: of the entries equal to the first, those whose place is
    before the second are among the k.
  """
  m = rows.shape[-1]
  place = _place(rows)
  last = 31 + (m.bit_length() if ties else 0)
  number = lambda marked: jnp.sum(marked, -1, jnp.int32, keepdims=True)

  def unsettled(state):
    i, _, _, reached = state
    return (i < 31) | ((i < last) & jnp.any(reached != count))

  def halve(state):
    i, value, end, reached = state
    by_value = i < 31
    bit = jnp.int32(1) << jnp.where(by_value, 30 - i, last - 1 - i)
    v = jnp.where(by_value, value | bit, value)
    e = jnp.where(by_value, m, end | bit)
    got = number((rows > v) | ((rows == v) & (place < e)))
    taken = jnp.where(by_value, got >= count, got <= count)
    value = jnp.where(by_value & taken, v, value)
    end = jnp.where(~by_value & taken, e, end)
    return i + 1, value, end, jnp.where(by_value & taken, got, reached)

  zero = jnp.zeros_like(rows[:, :1])
  start = (jnp.int32(0), zero, zero, zero + m)
  _, value, end, reached = lax.while_loop(unsettled, halve, start)
  return value, jnp.where(reached == count, m, end)


def _place(rows: jax.Array) -> jax.Array:
  return lax.broadcasted_iota(jnp.int32, rows.shape, 1)
