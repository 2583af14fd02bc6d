"""Coordinate ascent: family by family, until none has a better assignment."""

import numpy as np

from paramspace.matching import _assign
from paramspace.matching import _colours
from paramspace.matching import _scipy_solver
from paramspace.matching import _search

WORTH = 1e-6  # Of the largest value: gains below it are rounding.
# A start is given up that is behind by more than so many times what the sweep
# gained, and by more than this part of the best.
HOPE, FAR = 3, 0.05


def ascend(
  search: _search.Search,
  rng: np.random.Generator,
  solver: _scipy_solver.Solver,
  most: int,
  best: float = -np.inf,
) -> tuple[list[float], float]:
  """Moves to where no family has a better assignment than it has.

  A sweep goes over classes of families that share no block, in random order,
  and leaves out those of which nothing else is said than last time.

  Args:
    search: Where to start; it is moved.
    rng: Draws the orders.
    solver: What solves assignments.
    most: How many sweeps at most.
    best: What another start has led to; one that stays far behind is given up.

  Returns:
    The objective at the start and after every sweep, and the gap.
  """
  classes = _colours.colours(search.plan)
  trace, seen, gaps = [search.objective()], {}, {}
  for _ in range(most):
    gain = 0.0
    for k in rng.permutation(len(classes)):
      due = [f for f in classes[k] if seen.get(f) != search.changed[f]]
      seen |= {family: search.changed[family] for family in due}
      evidence = search.evidence(due)
      found = _assign.assign(search.plan, evidence, solver)
      for family, assigned in found.items():
        gain += _accept(search, family, assigned)
        gaps[family] = assigned.gap
    trace.append(trace[-1] + gain)
    behind = best - trace[-1]
    if not gain or behind > max(HOPE * gain, FAR * abs(best)):
      break
  return trace, float(sum(gaps.values()))


def _accept(search, family, assigned):
  """Moves if that is better, and returns by how much."""
  gain = assigned.gain
  if gain <= WORTH * assigned.size:
    return 0.0
  if family in search.plan.twice:  # What was said assumed that it stays.
    gain = search.gain(family, assigned.step)
    if gain <= WORTH * assigned.size:
      return 0.0
  search.move(family, assigned.step)
  return gain
