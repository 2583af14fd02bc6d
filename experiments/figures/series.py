"""Series of numbers in one cell of a table."""

from collections.abc import Iterable

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
