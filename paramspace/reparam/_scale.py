"""The two scales of a projection."""

import math

SCALES = ('isometric', 'rms')


def check(scale: str) -> None:
  """Raises ValueError unless `scale` is one of the two."""
  if scale not in SCALES:
    raise ValueError(f'`scale` must be one of {SCALES}, got {scale!r}.')


def factor(scale: str, dim: int, total: int) -> float:
  """Returns what turns unit columns into the columns of `scale`.

  Args:
    scale: 'isometric' for unit columns, P^T P = I (Li et al, 2018): a step of
      length e in z is one of length e in theta. 'rms' for unit rows,
      P^T P = (D/d) I: a step of size lr in every coordinate, as Adam takes, is
      one of size lr in every weight, as in direct training.
    dim: Coordinates, d.
    total: Weights, D.

  Returns:
    1 or sqrt(D/d).
  """
  return math.sqrt(total / dim) if scale == 'rms' else 1.0
