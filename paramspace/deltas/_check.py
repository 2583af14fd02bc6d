"""Arguments that several prunes take, checked on the host."""

import math

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees


def fraction(name: str, value: float) -> None:
  """Raises ValueError unless `value` lies in [0, 1]."""
  if isinstance(value, bool) or not 0 <= value <= 1:
    raise ValueError(f'`{name}` must lie in [0, 1], got {value}.')


def divisor(name: str, value: float) -> None:
  """Raises ValueError unless `value` is a number in (0, 1]."""
  number = isinstance(value, int | float) and not isinstance(value, bool)
  if not number or not 0 < value <= 1:
    raise ValueError(f'`{name}` must be a number in (0, 1], got {value!r}.')


def one_of(name: str, value: str | None, options: tuple) -> None:
  """Raises ValueError unless `value` is one of `options`."""
  if value not in options:
    raise ValueError(f'`{name}` must be one of {options}, got {value!r}.')


def axis(value: int) -> None:
  """Raises ValueError unless `value` counts from the last axis."""
  if isinstance(value, bool) or not isinstance(value, int) or value >= 0:
    raise ValueError(
      f'`axis` must count from the last, -1, -2, ..., got {value}; leaves have '
      'different numbers of axes.'
    )


def portion(density: float, size: int) -> int:
  """Returns floor(density size), as double precision has the product."""
  return math.floor(density * size)


def like(
  tree: base.Params, delta: base.Params, what: str
) -> dict[str, jax.Array]:
  """Returns the leaves of `tree` that stand beside floating ones of `delta`.

  Raises:
    ValueError: If one is missing or has another shape; names it.
  """
  beside = trees.named(tree)
  for name, x in trees.floating(delta).items():
    if name not in beside:
      raise ValueError(
        f'{what} has no leaf {name!r}; near misses: '
        f'{trees.nearest(name, list(beside))}.'
      )
    if jnp.shape(beside[name]) != x.shape:
      raise ValueError(
        f'{what}: leaf {name!r} should have shape {list(x.shape)}, got '
        f'{list(jnp.shape(beside[name]))}.'
      )
  return beside
