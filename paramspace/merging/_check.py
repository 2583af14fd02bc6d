"""Arguments and leaves, checked on the host."""

from typing import Any

import jax
import numpy as np

from paramspace import base


def one_of(name: str, value: str, options: tuple[str, ...]) -> None:
  """Raises ValueError unless `value` is one of `options`."""
  if value not in options:
    raise ValueError(f'`{name}` must be one of {options}, got {value!r}.')


def fraction(name: str, value: Any) -> None:
  """Raises ValueError unless `value` lies in [0, 1]; not if it is traced."""
  if isinstance(value, jax.core.Tracer):
    return
  if isinstance(value, bool) or not 0 <= value <= 1:
    raise ValueError(f'`{name}` must lie in [0, 1], got {value}.')


def not_negative(name: str, value: float) -> None:
  """Raises ValueError unless `value` is 0 or more."""
  if isinstance(value, bool) or not 0 <= value < float('inf'):
    raise ValueError(f'`{name}` must be finite and at least 0, got {value}.')


def models(leaf: base.Leaf, method: str, least: int, most: int | None) -> None:
  """Raises ValueError unless as many models are merged as the method takes."""
  n = len(leaf.weights)
  if n < least or (most is not None and n > most):
    wanted = str(least) if most == least else f'{least} or more'
    raise ValueError(f'`{method}` merges {wanted} models, got {n}.')


def unweighted(leaf: base.Leaf, method: str) -> None:
  """Raises ValueError if the models have weights, of which it knows none."""
  known = _known(leaf)
  if known is not None and (known != known[0]).any():
    raise ValueError(
      f'`{method}` finds the weights itself; leaf {leaf.name!r} was given '
      f'{known.tolist()}. Leave `weights` out.'
    )


def weighable(leaf: base.Leaf, method: str) -> None:
  """Raises ValueError if the weights sum to 0, by which they are divided."""
  known = _known(leaf)
  if known is not None and not known.sum():
    raise ValueError(
      f'`{method}` divides by the sum of the weights, which is 0 at leaf '
      f'{leaf.name!r}: {known.tolist()}.'
    )


def _known(leaf: base.Leaf) -> np.ndarray | None:
  if isinstance(leaf.weights, jax.core.Tracer):
    return None
  return np.asarray(leaf.weights)
