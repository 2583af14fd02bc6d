"""Products, moves and couplings of blocks on a device, a program a shape."""

import contextlib
import functools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import trees

HIGHEST = jax.lax.Precision.HIGHEST
LETTERS = 'abcdefghijklmnopqrstuvwxyz'


@contextlib.contextmanager
def workers() -> Iterator[Callable[..., Iterable]]:
  """Yields a `map`; a device does one thing after another."""
  yield map


def put(x: jax.Array) -> jax.Array:
  """Returns a leaf in float32 or wider."""
  return trees.widen(jnp.asarray(x))


def fetch(x: jax.Array) -> np.ndarray:
  """Returns an array on the host."""
  return np.asarray(x)


def dot(a: jax.Array, b: jax.Array) -> float:
  """Returns the inner product of two blocks; the sum of rows is in float64."""
  return float(np.asarray(_rows(a, b)).sum(dtype=np.float64))


@jax.jit
def _rows(a, b):
  a, b = (x.reshape(-1, x.shape[-1] if x.ndim else 1) for x in (a, b))
  return jnp.einsum('rk,rk->r', a, b, precision=HIGHEST)


@functools.partial(jax.jit, static_argnums=(2, 3))
def pairs(
  a: jax.Array, b: jax.Array, batch: Sequence[int], own: Sequence[int]
) -> jax.Array:
  """As `_host.pairs`."""
  left = LETTERS[: a.ndim]
  rename = {left[k]: left[k].upper() for k in own}
  right = ''.join(rename.get(c, c) for c in left)
  kept = ''.join(left[k] for k in batch)
  paired = ''.join(left[k] for k in own)
  out = kept + paired + paired.upper()
  return jnp.einsum(f'{left},{right}->{out}', a, b, precision=HIGHEST)


@functools.partial(jax.jit, static_argnums=1)
def take(x: jax.Array, axis: int, index: jax.Array) -> jax.Array:
  """As `_host.take`."""
  return jnp.take(x, index, axis, unique_indices=True)


@functools.partial(jax.jit, static_argnums=(1, 2))
def take_each(
  x: jax.Array, axis: int, over: Sequence[int], index: jax.Array
) -> jax.Array:
  """As `_host.take_each`."""
  axes = (*over, axis)
  order = np.argsort(axes)
  shape = [1] * x.ndim
  for k in order:
    shape[axes[k]] = index.shape[k]
  index = index.transpose(order).reshape(shape)
  return jnp.take_along_axis(x, index, axis)


@functools.partial(jax.jit, static_argnums=(1, 2))
def couple(
  x: jax.Array,
  batch: Sequence[int],
  own: Sequence[int],
  coupling: jax.Array,
) -> jax.Array:
  """As `_host.couple`."""
  left = LETTERS[: x.ndim]
  rename = {left[k]: left[k].upper() for k in own}
  source = ''.join(rename.get(c, c) for c in left)
  kept = ''.join(left[k] for k in batch)
  paired = ''.join(left[k] for k in own)
  by = kept + paired + paired.upper()
  coupling = coupling.astype(x.dtype)
  return jnp.einsum(f'{by},{source}->{left}', coupling, x, precision=HIGHEST)
