"""Assignments by SciPy, on the host."""

from collections.abc import Callable

import numpy as np
from scipy import optimize

# `[b, n, n]` values -> the columns `[b, n]`, and by how much each may be short.
Solver = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def scipy() -> Solver:
  """Returns the solver of `scipy.optimize.linear_sum_assignment`, exact."""
  return solve


def solve(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the permutations that make the sums of the chosen values largest.

  Where every row has its largest value in another column, that is the best
  there can be, and nothing needs solving.

  Args:
    values: `[b, n, n]`, finite.

  Returns:
    `[b, n]`, int32, and zeros `[b]`.
  """
  values = np.asarray(values)
  columns = values.argmax(-1).astype(np.int32)
  n = values.shape[-1]
  for k in np.flatnonzero((np.sort(columns) != np.arange(n)).any(-1)):
    columns[k] = optimize.linear_sum_assignment(values[k], maximize=True)[1]
  return columns, np.zeros(len(values))
