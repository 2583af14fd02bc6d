"""Checks of arguments, on entry."""

from collections.abc import Collection

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees


def one_of(name: str, value: str, known: Collection[str]) -> None:
  """Raises unless `value` is one of those known."""
  if value not in known:
    raise ValueError(f'`{name}` must be one of {sorted(known)}, got {value!r}.')


def positive(name: str, value: int) -> None:
  """Raises unless `value` is a whole number of at least 1."""
  if not isinstance(value, int) or value < 1:
    raise ValueError(f'`{name}` must be an int of at least 1, got {value!r}.')


def finite(params: base.Params, what: str) -> None:
  """Raises where a value is NaN or infinite; names the leaf."""
  leaves = trees.floating(params)
  good = jax.device_get({n: jnp.isfinite(x).all() for n, x in leaves.items()})
  bad = [n for n, ok in good.items() if not ok]
  if bad:
    raise ValueError(
      f'{what}: leaf {bad[0]!r} has a value that is not finite; '
      f'{len(bad)} of {len(good)} leaves have. Nothing can be matched to it.'
    )
