"""Random bits, one word per entry of a leaf."""

import jax
import jax.numpy as jnp
from jax import lax

from paramspace import base

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # Of rounds 0-3, 4-7, 8-11, ...
PARITY = 0x1BD11BDA


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
