"""Many models matched at once, through a universe (C2M3)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace.matching import _climb
from paramspace.matching import _frame
from paramspace.matching import _nested
from paramspace.matching import _relaxed


def value(
  move: tuple[_relaxed.Move, ...],
  matrices: _relaxed.Matrices,
  data: list[Any],
) -> jax.Array:
  """Returns sum_{i<j} <y_i, y_j> = (|sum y_i|^2 - sum |y_i|^2) / 2, y = P x."""
  moved = jax.vmap(lambda p, x: _relaxed.moved(move, p, x))(matrices, data)
  sums = [x.sum(0) for x in moved]
  return (_relaxed.inner(sums, sums) - _relaxed.inner(moved, moved)) / 2


def universe(task: _frame.Task, steps: int, tolerance: float) -> _frame.Matches:
  """Climbs the sum over pairs from the matches to an anchor, and beside it."""
  names, spec = list(task.models), task.spec
  taken = [_relaxed.parts(spec, x, task.out) for x in task.models.values()]
  data = [jnp.stack(xs) for xs in zip(*taken, strict=True)]
  move = _relaxed.moves(spec, task.models[names[0]], task.out)

  def solve(values):
    """Returns an element for each model."""
    of = lambda k: {group: x[k] for group, x in values.items()}
    return [_nested.solve(spec, of(k)).element for k in range(len(names))]

  def stacked(elements):
    hard = [_nested.hard(spec, g) for g in elements]
    return {group: np.stack([x[group] for x in hard]) for group in hard[0]}

  near = _frame.anchored(task, names[0]).elements
  start = stacked([near[name] for name in names])
  centre = _nested.barycenter(spec)
  centre = {group: np.stack([x] * len(names)) for group, x in centre.items()}
  hard = lambda values: stacked(solve(values))
  climbs = [
    _climb.climb(value, move, data, at, hard, steps, tolerance, factor=2)
    for at in (start, _climb.halfway(start, centre))
  ]
  found = max(climbs, key=lambda climbed: climbed.trace[-1])
  elements = {
    name: {group: jnp.asarray(g) for group, g in element.items()}
    for name, element in zip(names, solve(found.matrices), strict=True)
  }
  # What nothing moves is a constant that the climb does without.
  constant = task.value(elements) - found.trace[-1]
  return _frame.Matches(elements, found.trace + constant, len(found.trace) - 1)
