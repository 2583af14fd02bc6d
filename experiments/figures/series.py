"""Series of numbers in one cell of a table."""

from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np


def joined(values: Iterable[float]) -> str:
  """Returns the numbers, shortest digits that give them back, in one string.

  >>> joined([0.5, 1])
  '0.5 1'
  """
  return ' '.join(str(np.asarray(x).item()) for x in values)


def split(text: str) -> np.ndarray:
  """Returns the numbers of `joined`, float64 `[n]`.

  >>> split('0.5 1')
  array([0.5, 1. ])
  """
  return np.array(text.split(), np.float64)


def bounds(runs: Sequence[Sequence[float]]) -> tuple[str, str]:
  """Returns the lowest and the highest of some runs, point by point.

  Five digits are more than a band in a figure shows.

  Args:
    runs: `[n, points]`.

  >>> bounds([[0.5, 1.0], [0.25, 2 / 3]])
  ('0.25 0.66667', '0.5 1')
  """
  ends = np.min(runs, axis=0), np.max(runs, axis=0)
  low, high = (' '.join(f'{x:.5g}' for x in end) for end in ends)
  return low, high
