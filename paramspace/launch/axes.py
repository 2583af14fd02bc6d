"""Sweeps to write in a config file: lists of overrides, and their products.

A sweep is any iterable of dicts from flattened keys to values. These functions
make and combine them:

>>> product(over('seed', (0, 1)), fixed('optimizer.name', 'adam'))
[{'seed': 0, 'optimizer.name': 'adam'}, {'seed': 1, 'optimizer.name': 'adam'}]
"""

import hashlib
import itertools
import math
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ['chained', 'fixed', 'log_uniform', 'over', 'product', 'zipped']

Sweep = Iterable[Mapping[str, Any]]


def over(key: str, values: Iterable[Any]) -> list[dict[str, Any]]:
  """Returns a point for every value of one key.

  >>> over('seed', range(2))
  [{'seed': 0}, {'seed': 1}]
  """
  return [{key: value} for value in values]


def fixed(key: str, value: Any) -> list[dict[str, Any]]:
  """Returns the one point in which the key has this value.

  >>> fixed('seed', 3)
  [{'seed': 3}]
  """
  return [{key: value}]


def product(*sweeps: Sweep) -> list[dict[str, Any]]:
  """Returns every combination; the last sweep varies fastest.

  Raises:
    ValueError: If two sweeps set the same key; names it.

  >>> product(over('a', (1, 2)), over('b', (3, 4)))[:2]
  [{'a': 1, 'b': 3}, {'a': 1, 'b': 4}]
  """
  return [_merged(points) for points in itertools.product(*sweeps)]


def zipped(*sweeps: Sweep) -> list[dict[str, Any]]:
  """Returns the first points as one, the second points as one, and so on.

  Raises:
    ValueError: If the lengths differ, or two sweeps set the same key.

  >>> zipped(over('a', (1, 2)), over('b', (3, 4)))
  [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
  """
  sweeps = [list(sweep) for sweep in sweeps]
  lengths = [len(sweep) for sweep in sweeps]
  if len(set(lengths)) > 1:
    raise ValueError(
      f'`zipped` takes sweeps of one length, got {lengths}; use `product` for '
      'every combination.'
    )
  return [_merged(points) for points in zip(*sweeps, strict=True)]


def chained(*sweeps: Sweep) -> list[dict[str, Any]]:
  """Returns the points of the first sweep, then those of the next.

  >>> chained(over('seed', (0, 1)), fixed('direct', True))
  [{'seed': 0}, {'seed': 1}, {'direct': True}]
  """
  return [dict(point) for point in itertools.chain(*sweeps)]


def log_uniform(
  key: str, low: float, high: float, count: int, seed: int = 0
) -> list[dict[str, Any]]:
  """Returns points at random, uniform in the logarithm of the value.

  Sample i is a function of the seed, the key and the bounds: a larger count
  adds points and changes none. Values have nine significant digits, so that the
  last bits of a machine's logarithm do not decide what a point is called.

  Args:
    key: The flattened key.
    low: The smallest value, positive.
    high: The largest value.
    count: How many points.
    seed: Gives other points.

  Raises:
    ValueError: If the bounds are not `0 < low <= high`, or the count negative.

  >>> log_uniform('rate', 1e-4, 0.1, count=2)
  [{'rate': 0.000135809506}, {'rate': 0.00061707905}]
  """
  if not 0 < low <= high < math.inf:
    raise ValueError(
      f'`log_uniform` takes 0 < low <= high, got low={low} and high={high}.'
    )
  if count < 0:
    raise ValueError(f'`count` must be at least 0, got {count}.')
  name = hashlib.sha256(f'{seed}/{key}'.encode()).digest()
  bits = np.random.Philox(key=int.from_bytes(name[:16])).random_raw(count)
  uniform = (bits >> np.uint64(11)) * 2.0**-53  # In [0, 1).
  exponents = math.log(low) + uniform * (math.log(high) - math.log(low))
  samples = [float(f'{math.exp(x):.9g}') for x in exponents]
  return over(key, [min(max(x, float(low)), float(high)) for x in samples])


def _merged(points: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """One dict of all, in which no key may come twice."""
  merged = {}
  for point in points:
    for key in sorted(merged.keys() & point.keys()):
      raise ValueError(
        f'{key!r} is set twice, to {merged[key]!r} and to {point[key]!r}; let '
        'one sweep set it.'
      )
    merged |= point
  return merged
