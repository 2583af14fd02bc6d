"""Rows in order."""

import jax
import jax.numpy as jnp
from jax import lax

LONG = 4096  # Up to this length a row goes through the network.
LARGE = 1 << 20  # From this size on a leaf is worth compiling it for.
TOGETHER = 64  # Rows side by side: so many of 4096 fit in a core's cache.
LAST = jnp.iinfo(jnp.int32).max


def rows(ranked: jax.Array) -> jax.Array:
  """Returns every row in ascending order.

  XLA sorts on one core on CPU, an entry at a time. There, large leaves of short
  rows go through a sorting network instead: a fixed sequence of minima and
  maxima of whole vectors, on all cores.

  Args:
    ranked: int32 `[*s]`.

  References:
    Batcher, 1968, Sorting networks and their applications, AFIPS, of which this
    is the bitonic sorter.
  """
  n = ranked.shape[-1]
  if n > LONG or ranked.size < LARGE:
    return lax.sort(ranked)
  return lax.platform_dependent(ranked, cpu=_network, default=lax.sort)


def _network(ranked: jax.Array) -> jax.Array:
  """Sorts many rows side by side, each padded to a power of two."""
  n = ranked.shape[-1]
  flat = ranked.reshape(-1, n)
  more = -len(flat) % TOGETHER, (1 << (n - 1).bit_length()) - n
  flat = jnp.pad(flat, [(0, k) for k in more], constant_values=LAST)
  blocks = flat.reshape(-1, TOGETHER, flat.shape[1]).swapaxes(1, 2)
  blocks = lax.map(_bitonic, blocks).swapaxes(1, 2)
  found = blocks.reshape(flat.shape)[: ranked.size // n, :n]
  return found.reshape(ranked.shape)


def _bitonic(x: jax.Array) -> jax.Array:
  """Sorts along the first axis, of 2^k entries."""
  n, width = x.shape
  run = 1
  while run < n:  # Runs of this length are in order: merge pairs of them.
    low, high = _halves(x, run)
    high = high[:, ::-1]
    x = _pair(jnp.minimum(low, high), jnp.maximum(low, high)[:, ::-1])
    step = run // 2
    while step:
      low, high = _halves(x, step)
      x = _pair(jnp.minimum(low, high), jnp.maximum(low, high))
      step //= 2
    run *= 2
  return x.reshape(n, width)


def _halves(x: jax.Array, step: int) -> tuple[jax.Array, jax.Array]:
  """Returns what lies a step apart, `[m, step, w]` each."""
  pairs = x.reshape(-1, 2, step, x.shape[-1])
  return pairs[:, 0], pairs[:, 1]


def _pair(low: jax.Array, high: jax.Array) -> jax.Array:
  """Puts both where they came from, `[n, w]`."""
  return jnp.stack([low, high], 1).reshape(-1, low.shape[-1])
