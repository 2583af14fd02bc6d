"""What a matching returns."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from paramspace import symmetry


class Match(NamedTuple):
  """A group element that brings one model to another.

  Attributes:
    element: What to act with on `b`, as `symmetry.act` takes it.
    objective: What was maximised, at the start that led here and after every
      sweep, float64 `[sweeps + 1]`; it never falls.
    sweeps: How many sweeps over the groups there were, the last without a
      change.
    gap: By how much the assignments of the last sweep may be short of their
      best, in units of the objective; 0 where the solver is exact.
    seconds: What the time went to: 'products' of leaves, 'assignment' by the
      solver, and 'dispatch', all the rest; empty where it was not measured.
  """

  element: symmetry.Element
  objective: np.ndarray
  sweeps: int
  gap: float
  seconds: Mapping[str, float] = {}
