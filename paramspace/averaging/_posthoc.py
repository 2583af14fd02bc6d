"""Any average of a finished run, from snapshots of others."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from paramspace import base
from paramspace.averaging import _profile
from paramspace.averaging import _response
from paramspace.averaging import _weights

# Beyond these it is said: rounding and noise grow with the sum of the absolute
# weights, and an average that is a tenth off is another one.
LARGEST_L1 = 3.0
LARGEST_RESIDUAL = 0.1

Source = tuple[float, _weights.Weights | base.Averager]


class Coefficients(NamedTuple):
  """How to sum snapshots.

  Attributes:
    weights: One for each source, sum 1, float64 `[n]`; for `combine`.
    residual: How far the profile of the sum is from the target, in the L2 norm,
      relative to the target.
    l1: The sum of the absolute weights, by which errors of the snapshots are
      amplified; 1 where none is negative.
  """

  weights: np.ndarray
  residual: float
  l1: float


def posthoc(sources: Sequence[Source], target: Source) -> Coefficients:
  r"""Finds c with sum_i c_i average_i = the average that is asked for.

  Two forms, by what stands in the sources and in the target:

  - `Weights` with a power profile (`power`, `uniform`): profiles over
    continuous time, <p_i, p_j> c = <p_i, p_target>, then divided by its sum, as
    Karras et al do it.
  - An `Averager`, of any kind: the weights that it really gives to each step,
    from `response`, in least squares under sum c = 1. Here `every`, `start` and
    the first sample are taken into account.

  Solved in float64 on the host.

  Args:
    sources: Snapshots as `(steps, average)`, in the order of their steps.
      Those after the target's step get the weight 0.
    target: What to reconstruct, `(steps, average)`.

  Returns:
    The coefficients, with the residual of the profile.

  Raises:
    ValueError: If the sources are empty, unsorted or the same twice, or the
      two forms are mixed.

  Warns:
    RuntimeWarning: If the target is extrapolated: the sum of the absolute
      weights exceeds 3, or the residual .1.

  Example:
    >>> from paramspace import averaging
    >>> sources = [
    ...   (step, averaging.power(sigma_rel=sigma))
    ...   for step in (250, 500, 750, 1_000) for sigma in (0.05, 0.10)
    ... ]
    >>> target = (1_000, averaging.power(sigma_rel=0.08))
    >>> found = averaging.posthoc(sources, target)
    >>> round(found.residual, 3), round(float(found.weights.sum()), 6)
    (0.031, 1.0)

  Note: EDM2 asks that the target ends where a snapshot does; that is not needed
  here, and the residual says what it costs.

  References:
    Karras et al, 2023, Analyzing and Improving the Training Dynamics of
    Diffusion Models, https://arxiv.org/abs/2312.02696, Section 3.2 and
    Appendix C.
  """
  _check(sources)
  used = [i for i, (steps, _) in enumerate(sources) if steps <= target[0]]
  if not used:
    raise ValueError(
      f'No source is as early as the target, {target[0]} steps; the first has '
      f'{sources[0][0]}.'
    )
  entries = [*(sources[i] for i in used), target]
  kinds = {isinstance(average, _weights.Weights) for _, average in entries}
  if len(kinds) > 1:
    raise ValueError(
      'The sources and the target mix weights and averagers; write '
      '`averager(weights)` for all, or the bare weights for all.'
    )
  solve = _continuous if kinds.pop() else _discrete
  found, residual = solve(entries)
  weights = np.zeros(len(sources))
  weights[used] = found
  l1 = float(np.abs(weights).sum())
  if l1 > LARGEST_L1 or residual > LARGEST_RESIDUAL:
    warnings.warn(
      f'The sources do not span the target: residual {residual:.2g}, sum of '
      f'absolute weights {l1:.2g}. Take more snapshots, or a target between '
      'the averages that were tracked.',
      RuntimeWarning,
      stacklevel=2,
    )
  return Coefficients(weights, residual, l1)


def _check(sources: Sequence[Source]) -> None:
  if not sources:
    raise ValueError('There are no sources; give at least one snapshot.')
  times = [steps for steps, _ in sources]
  if sorted(times) != times:
    raise ValueError(
      f'The sources are not in the order of their steps: {times}; sort them, '
      'and what is summed with them.'
    )
  for i, (steps, average) in enumerate(sources):
    if not 0 < steps < math.inf:
      raise ValueError(
        f'Source {i} is after {steps} steps, not a positive number.'
      )
    for j in range(i):
      if times[j] == steps and _same(sources[j][1], average):
        raise ValueError(
          f'Sources {j} and {i} are the same snapshot, after {steps} steps.'
        )


def _same(a: _weights.Weights | base.Averager, b: object) -> bool:
  weights = isinstance(a, _weights.Weights) and isinstance(b, _weights.Weights)
  if weights and a.gamma is not None:
    return a.gamma == b.gamma
  return a is b


def _continuous(entries: Sequence[Source]) -> tuple[np.ndarray, float]:
  """Solves for power profiles in closed form; the last entry is the target."""
  for _, weights in entries:
    if weights.gamma is None:
      raise ValueError(
        'Only `power` and `uniform` have a profile in closed form; wrap all '
        'weights as `averager(weights)`.'
      )
  gram = np.array(
    [
      [_profile.inner(s, a.gamma, t, b.gamma) for t, b in entries]
      for s, a in entries
    ]
  )
  gram, right, norm = gram[:-1, :-1], gram[:-1, -1], gram[-1, -1]
  found = np.linalg.lstsq(gram, right, rcond=None)[0]
  found = found / found.sum()
  square = found @ gram @ found - 2 * found @ right + norm
  return found, math.sqrt(max(square, 0.0) / norm)


def _discrete(entries: Sequence[Source]) -> tuple[np.ndarray, float]:
  """Solves for responses step by step; the last entry is the target."""
  rows = _rows(entries)
  columns, wanted = rows[:-1].T, rows[-1]  # [T, n], [T]
  n = columns.shape[1]
  even = np.full(n, 1 / n)
  # What the weights may add to those that are even sums to zero.
  free = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
  right = wanted - columns @ even
  moved = np.linalg.lstsq(columns @ free, right, rcond=None)[0]
  found = even + free @ moved
  error = np.linalg.norm(columns @ found - wanted)
  return found, float(error / np.linalg.norm(wanted))


def _rows(entries: Sequence[Source]) -> np.ndarray:
  """Returns the responses, `[n, T]`; those of one averager in one program."""
  rows = np.zeros((len(entries), int(max(steps for steps, _ in entries))))
  averagers = {id(average): average for _, average in entries}
  for key, average in averagers.items():
    of = [i for i, (_, other) in enumerate(entries) if id(other) == key]
    found = _response.responses(average, [entries[i][0] for i in of])
    rows[of, : found.shape[1]] = found
  return rows
