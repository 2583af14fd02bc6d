"""Assignments by lapx, on the host: an extra."""

import importlib.util

import numpy as np

from paramspace.matching import _scipy_solver


def lapx() -> _scipy_solver.Solver:
  """Returns the Jonker-Volgenant solver of lapx, exact.

  Raises:
    ValueError: If lapx is not installed.
  """
  if importlib.util.find_spec('lap') is None:
    raise ValueError(
      "`solver` 'lapx' is not installed: pip install 'paramspace[lapx]', or "
      "take 'scipy'."
    )
  return _solve


def _solve(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """As `_scipy_solver.solve`."""
  import lap

  costs = -np.asarray(values, np.float64)
  each = [lap.lapjv(np.ascontiguousarray(c))[1] for c in costs]
  return np.array(each, np.int32), np.zeros(len(each))
