"""Statistics of channels over batches."""

import functools
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees

Preactivations = Callable[[base.Params, Any], dict[str, jax.Array]]


class Channels(NamedTuple):
  """Statistics of the channels of a site, float64.

  Attributes:
    count: How many values of each channel.
    mean: `[c]`.
    squares: `[c]`, the sum of squares about the mean.
  """

  count: int
  mean: np.ndarray
  squares: np.ndarray

  @property
  def sd(self) -> np.ndarray:
    """The standard deviation, `[c]`."""
    return np.sqrt(self.squares / self.count)


def measure(
  preactivations: Preactivations,
  names: Sequence[str],
  batches: Collection[Any],
) -> Callable[[base.Params], dict[str, Channels]]:
  """Returns a function of parameters, to statistics by site.

  The program is kept for each function `preactivations`.

  Args:
    preactivations: `(params, batch)` to `[..., c]` by site.
    names: Of the sites.
    batches: Gone through at each call.
  """
  names = tuple(names)

  def of_all(params):
    total: dict[str, Channels] = {}
    for batch in batches:
      found = jax.device_get(_of_batch(preactivations, names, params, batch))
      for name, (count, *sums) in found.items():
        new = Channels(int(count), *(np.asarray(x, np.float64) for x in sums))
        total[name] = _added(total[name], new) if name in total else new
    if not total:
      raise ValueError('`batches` is empty, or can be gone through only once.')
    for name, found in total.items():
      if not np.isfinite(found.mean + found.squares).all():
        raise ValueError(f'Site {name!r} has a value that is not finite.')
    return total

  return of_all


@functools.partial(jax.jit, static_argnums=(0, 1))
def _of_batch(preactivations, names, params, batch):
  found = preactivations(params, batch)
  _check_sites(names, found)
  return {name: _moments(found[name]) for name in names}


def _moments(x):
  x = trees.widen(x).reshape(-1, x.shape[-1])
  mean = x.mean(0, keepdims=True)
  return len(x), mean[0], jnp.square(x - mean).sum(0)


def _added(x: Channels, y: Channels) -> Channels:
  count = x.count + y.count
  mean = (x.count * x.mean + y.count * y.mean) / count
  between = x.count * (y.count / count) * (y.mean - x.mean) ** 2
  return Channels(count, mean, x.squares + y.squares + between)


def _check_sites(names, found):
  for name in names:
    if name not in found:
      raise ValueError(
        f'`preactivations` returns no site {name!r}; near misses: '
        f'{trees.nearest(name, list(found))}.'
      )
