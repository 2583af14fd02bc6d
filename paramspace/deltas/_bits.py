"""Random bits of the entries of a leaf."""

import functools
import math
import operator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from paramspace import base

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # Of rounds 0-3, 4-7, 8-11, ...
PARITY = 0x1BD11BDA
CHUNKS = 8  # Of a leaf's rows, on CPU.


def draw(key: base.PRNGKey, shape: tuple[int, ...]) -> jax.Array:
  """Returns uniform uint32 `[*s]`, a function of the key and the shape alone.

  `jax.random.bits` throws half of what Threefry computes away, to give every
  entry a counter of its own. Here both words of a block are used: entries j and
  j + ceil(m / 2) of a row of m are the two words of block (row, j), so that
  what is drawn does not depend on how an array is sharded.

  Args:
    key: A typed key. One that is not Threefry's goes to `jax.random.bits`.
    shape: The shape of the leaf.

  References:
    Salmon et al, 2011, Parallel Random Numbers: As Easy as 1, 2, 3, SC'11,
    whose Threefry-2x32 with 20 rounds is JAX's.
  """
  if str(jax.random.key_impl(key)) != 'threefry2x32':
    return jax.random.bits(key, shape, jnp.uint32)
  *leading, m = shape or (1,)
  half = jnp.uint32(-(-m // 2))
  rows = _row_numbers((*leading, m))
  columns = lax.broadcasted_iota(jnp.uint32, rows.shape, rows.ndim - 1)
  late = columns >= half
  block = rows, jnp.where(late, columns - half, columns)
  first, second = _threefry(jax.random.key_data(key), *block)
  return jnp.where(late, second, first).reshape(shape)


def below(key: base.PRNGKey, shape: tuple[int, ...], words: int) -> jax.Array:
  """Returns bool `[*s]`, each true with probability `words` / 2^32.

  A function of the key and the shape alone. A block of Threefry serves four
  entries of a row, a quarter of the row apart: each of its two words, and each
  with its halves swapped. So each entry has a word that is uniform, while two
  that share one are independent but for terms of 2^-16.

  Args:
    key: A typed key. One that is not Threefry's goes to `jax.random.bits`.
    shape: The shape of the leaf.
    words: How many of the 2^32 words are below; in [0, 2^32).
  """
  limit = jnp.uint32(words)
  if str(jax.random.key_impl(key)) != 'threefry2x32':
    return jax.random.bits(key, shape, jnp.uint32) < limit
  *leading, m = shape or (1,)
  rows, quarter = math.prod(leading), -(-m // 4)
  flags = lax.platform_dependent(
    jax.random.key_data(key),
    cpu=functools.partial(_by_chunks, limit, rows, quarter),
    default=lambda data: _flags(_packed(limit, 0, rows, quarter, data)),
  )
  return flags[:, :m].reshape(shape)


def _by_chunks(
  limit: jax.Array, rows: int, quarter: int, key: jax.Array
) -> jax.Array:
  """Returns the flags of all rows, a chunk at a time.

  What a loop returns, XLA lays out in memory. On CPU it would compute every
  block four times instead, once for each entry that the block serves, and
  what reads the flags would not be vectorised.
  """
  chunks = max(min(CHUNKS, rows), 1)
  height = -(-rows // chunks)
  starts = jnp.arange(chunks, dtype=jnp.uint32) * jnp.uint32(height)
  one = lambda start: _packed(limit, start, height, quarter, key)
  flags = lax.map(_flags, lax.map(one, starts))
  return flags.reshape(-1, 4 * quarter)[:rows]


def _flags(packed: jax.Array) -> jax.Array:
  """Returns bool `[rows, 4 quarter]`, of four flags a byte."""
  rows, quarter = packed.shape
  place = lax.broadcasted_iota(jnp.uint8, (1, 4, 1), 1)
  flags = (packed.reshape(rows, 1, quarter) >> place) & jnp.uint8(1)
  return (flags != 0).reshape(rows, 4 * quarter)


def _packed(
  limit: jax.Array, start: Any, rows: int, quarter: int, key: jax.Array
) -> jax.Array:
  """Returns four flags a byte, uint8 `[rows, quarter]`, from row `start`."""
  shape = rows, quarter
  row = jnp.uint32(start) + lax.broadcasted_iota(jnp.uint32, shape, 0)
  words = _threefry(key, row, lax.broadcasted_iota(jnp.uint32, shape, 1))
  swapped = [(x << jnp.uint32(16)) | (x >> jnp.uint32(16)) for x in words]
  flags = [(x < limit).astype(jnp.uint8) for x in [*words, *swapped]]
  return functools.reduce(
    operator.or_, [x << jnp.uint8(i) for i, x in enumerate(flags)]
  )


def _threefry(
  key: jax.Array, x: jax.Array, y: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Returns the two words of each block.

  JAX's own, on CPU, is a loop of five turns through memory. One expression is
  fused with what reads it: four times as fast, though each block is computed
  twice.
  """
  keys = key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY)
  x, y = x + keys[0], y + keys[1]
  for turn in range(5):
    for bits in ROTATIONS[turn % 2]:
      x = x + y
      y = x ^ ((y << jnp.uint32(bits)) | (y >> jnp.uint32(32 - bits)))
    x = x + keys[(turn + 1) % 3]
    y = y + keys[(turn + 2) % 3] + jnp.uint32(turn + 1)
  return x, y


def _row_numbers(shape: tuple[int, ...]) -> jax.Array:
  """Returns the index of the row that an entry is in, uint32 `[*s]`."""
  rows = jnp.zeros(shape, jnp.uint32)
  for axis, size in enumerate(shape[:-1]):
    rows = rows * size + lax.broadcasted_iota(jnp.uint32, shape, axis)
  return rows
