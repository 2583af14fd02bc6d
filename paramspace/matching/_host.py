"""Products, moves and couplings of blocks on the host, by BLAS."""

import contextlib
import math
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent import futures

import jax
import numpy as np
import threadpoolctl

FEW, LARGE = 64, 2**13  # Products in a loop rather than a copy of the block.


@contextlib.contextmanager
def workers() -> Iterator[Callable[..., Iterable]]:
  """Yields a `map` over all cores, on each of which BLAS has one thread.

  The threads of OpenBLAS wait for each other in a busy loop, and on a machine
  that others use as well they wait long: a product was measured to take 95 ms
  on two cores, and 0.1 ms on one of them.
  """
  own = getattr(os, 'sched_getaffinity', None)  # Linux alone has it.
  cores = len(own(0)) if own else os.cpu_count()
  with (
    threadpoolctl.threadpool_limits(1, 'blas'),
    futures.ThreadPoolExecutor(cores) as pool,
  ):
    yield pool.map


def put(x: jax.Array) -> np.ndarray:
  """Returns a leaf in float32 or wider."""
  x = np.asarray(x)
  return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)


def fetch(x: np.ndarray) -> np.ndarray:
  """Returns an array on the host."""
  return x


def dot(a: np.ndarray, b: np.ndarray) -> float:
  """Returns the inner product of two blocks; the sum of rows is in float64."""
  a, b = (x.reshape(-1, x.shape[-1] if x.ndim else 1) for x in (a, b))
  return float(np.einsum('rk,rk->r', a, b).sum(dtype=np.float64))


def pairs(
  a: np.ndarray,
  b: np.ndarray,
  batch: Sequence[int],
  own: Sequence[int],
) -> np.ndarray:
  """Returns sums over the other axes, for all pairs of indices.

  Args:
    a: A block.
    b: A block of the same shape.
    batch: The axes whose index both have in common, and keep.
    own: The axes that are paired.

  Returns:
    `[*batch, *own of a, *own of b]`.
  """
  if not batch and len(own) == 1:
    n = a.shape[own[0]]
    pre = math.prod(a.shape[: own[0]])
    a, b = a.reshape(pre, n, -1), b.reshape(pre, n, -1)
    if a.shape[2] == 1:
      return a[:, :, 0].T @ b[:, :, 0]
    if pre == 1 or (pre <= FEW and a.shape[1] * a.shape[2] >= LARGE):
      total = a[0] @ b[0].T
      for x, y in zip(a[1:], b[1:], strict=True):
        total += x @ y.T
      return total
    batch, own = (), (1,)
  order = [*batch, *own]
  order += [k for k in range(a.ndim) if k not in order]
  shape = [a.shape[k] for k in order]
  outer, inner = len(batch), len(order[: len(batch) + len(own)])
  flat = (*shape[:outer], math.prod(shape[outer:inner]), -1)
  a, b = (x.transpose(order).reshape(flat) for x in (a, b))
  found = a @ np.swapaxes(b, -1, -2)
  return found.reshape(*shape[:inner], *shape[outer:inner])


def take(x: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray:
  """Returns `x` with the entries `index` of an axis."""
  return np.take(x, index, axis)


def take_each(
  x: np.ndarray, axis: int, over: Sequence[int], index: np.ndarray
) -> np.ndarray:
  """Returns `x` with entries of an axis by `index[*over, i]`."""
  return np.take_along_axis(x, spread(index, x.ndim, (*over, axis)), axis)


def spread(index: np.ndarray, ndim: int, axes: Sequence[int]) -> np.ndarray:
  """Returns `index`, its axes at the places `axes` of `ndim`."""
  order = np.argsort(axes)
  shape = [1] * ndim
  for k in order:
    shape[axes[k]] = index.shape[k]
  return index.transpose(order).reshape(shape)


def couple(
  x: np.ndarray,
  batch: Sequence[int],
  own: Sequence[int],
  coupling: np.ndarray,
) -> np.ndarray:
  """Returns averages of `x` over its own axes, weighted by `coupling`.

  Args:
    x: A block.
    batch: As in `pairs`.
    own: As in `pairs`.
    coupling: As `pairs` returns it.
  """
  coupling = coupling.astype(x.dtype, copy=False)
  n = math.prod(x.shape[k] for k in own)
  matrix = coupling.reshape(*coupling.shape[: len(batch)], n, n)
  if not batch and len(own) == 1:
    flat = x.reshape(math.prod(x.shape[: own[0]]), n, -1)
    if flat.shape[2] == 1:
      return (flat[:, :, 0] @ matrix.T).reshape(x.shape)
    return (matrix @ flat).reshape(x.shape)
  order = [*batch, *own]
  order += [k for k in range(x.ndim) if k not in order]
  moved = x.transpose(order)
  found = matrix @ moved.reshape(*moved.shape[: len(batch)], n, -1)
  return found.reshape(moved.shape).transpose(np.argsort(order))
