"""Steps of Frank and Wolfe on matrices in the place of permutations."""

import functools
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from paramspace.matching import _relaxed

# C2M3 stops after so many steps in a row that gain next to nothing.
PATIENCE = 5


class Climbed(NamedTuple):
  """Where steps of Frank-Wolfe lead to.

  Attributes:
    matrices: The permutations there.
    trace: The value before each step, and that of the permutations.
    gap: How much the last slope promised.
  """

  matrices: dict[str, np.ndarray]
  trace: np.ndarray
  gap: float


def halfway(x: _relaxed.Matrices, y: _relaxed.Matrices) -> dict:
  """Returns the mean of two sets of matrices."""
  return {name: (x[name] + y[name]) / 2 for name in x}


def climb(
  value: Callable[..., jax.Array],
  move: tuple[_relaxed.Move, ...],
  data: Any,
  start: _relaxed.Matrices,
  solve: Callable[[_relaxed.Matrices], dict[str, np.ndarray]],
  steps: int,
  tolerance: float,
  factor: int = 1,
) -> Climbed:
  """Climbs a value of matrices, and ends at permutations.

  Args:
    value: `(move, matrices, data) -> scalar`, a function of a module.
    move: How parts move.
    data: What else the value is a function of.
    start: Matrices.
    solve: Returns the permutations' matrices that some slope likes best.
    steps: At most.
    tolerance: The gain, relative to the value, that is next to nothing.
    factor: The degree of the value over that of the moved parts.
  """
  ts = _nodes(factor * _relaxed.degree(move))
  here, trace, waited, gap = dict(start), [], 0, 0.0
  for _ in range(steps):
    now, slope = jax.device_get(slope_of(value, move, here, data))
    trace.append(float(now))
    end = solve(slope)
    ahead = {n: end[n] - x for n, x in here.items()}
    gap = sum((slope[n] * x).sum(dtype=np.float64) for n, x in ahead.items())
    along = _along(value, move, here, end, ts, data)
    t, gain = _best(ts, np.asarray(along, np.float64))
    here = {n: x + np.float32(t) * ahead[n] for n, x in here.items()}
    waited = 0 if gain > tolerance * abs(now) else waited + 1
    if t == 0 or waited == PATIENCE:
      break
  end = solve(here)
  last = _along(value, move, end, end, ts, data)[0]
  return Climbed(end, np.array([*trace, float(last)]), max(float(gap), 0.0))


def _nodes(degree: int) -> np.ndarray:
  """Returns points of [0, 1] from which a polynomial is well determined."""
  at = np.arange(max(degree, 1) + 1) / max(degree, 1)
  return (0.5 - 0.5 * np.cos(np.pi * at)).astype(np.float32)


def _best(ts: np.ndarray, values: np.ndarray) -> tuple[float, float]:
  """Returns where on [0, 1] the polynomial is largest, and what is gained."""
  line = np.polynomial.Polynomial.fit(
    ts.astype(np.float64), values - values[0], len(ts) - 1, domain=[0, 1]
  )
  stops = [r.real for r in line.deriv().roots() if abs(r.imag) < 1e-9]
  stops = [0.0, 1.0, *(t for t in stops if 0 < t < 1)]
  t = max(stops, key=lambda t: line(t) - line(0))
  return float(t), float(line(t) - line(0))


@functools.partial(jax.jit, static_argnums=(0, 1))
def slope_of(
  value: Callable[..., jax.Array],
  move: tuple[_relaxed.Move, ...],
  matrices: _relaxed.Matrices,
  data: Any,
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """Returns the value and its slope."""
  return jax.value_and_grad(lambda p: value(move, p, data))(matrices)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _along(value, move, start, end, ts, data):
  """Returns the values at start + t (end - start)."""

  def at(t):
    return value(
      move, jax.tree.map(lambda x, y: x + t * (y - x), start, end), data
    )

  return jax.lax.map(at, ts)
