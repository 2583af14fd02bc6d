"""One q for all leaves, searched (DAREx-q)."""

import math
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base as types
from paramspace.deltas import _arithmetic
from paramspace.deltas import _check
from paramspace.deltas import _drop_tuned

FINER = 10  # How much, once the best of the first steps is known.
PATIENCE = 3  # Values in turn that are no better than the best.


class TunedQ(NamedTuple):
  """What a search for q found.

  Attributes:
    q: The best, for `drop_tuned`.
    tried: The mean score, or change, of every q that was tried, in turn.
  """

  q: float
  tried: dict[float, float]


def tune_q_by_score(
  key: types.PRNGKey,
  base: types.Params,
  delta: types.Params,
  rate: float,
  score: Callable[[types.Params], Any],
  *,
  step: float = 0.05,
  draws: int = 1,
) -> TunedQ:
  """Finds the q in [1 - p, 1] whose models score best, such as on labels.

  From q = 1 - p it goes up by steps, and then from the best in both directions
  by tenths of a step, each until three values in turn were no better.

  Args:
    key: Of the masks, which are the same for every q.
    base: The model that was tuned.
    delta: What tuning changed.
    rate: p, in [0, 1].
    score: `(params) -> number` of base + m delta / q, to be maximised, such as
      the accuracy on a validation split.
    step: Of the first search.
    draws: Of masks; the mean score counts.

  Returns:
    q, and what was tried.

  Raises:
    ValueError: If an argument is out of its range, or no score is a number.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> base, delta = {'w': jnp.zeros(100)}, {'w': jnp.ones(100)}
    >>> score = lambda params: -jnp.abs(params['w'].max() - 2.5)
    >>> key = jax.random.key(0)
    >>> round(deltas.tune_q_by_score(key, base, delta, 0.9, score).q, 6)
    0.4

  References:
    Deng et al, 2024, DARE the Extreme, https://arxiv.org/abs/2410.09344,
    Section 4.
  """
  values = lambda params: -float(score(params))
  q, tried = _search(key, base, delta, rate, values, step, draws, discard=0)
  return TunedQ(q, {q: -value for q, value in tried.items()})


def tune_q_by_change(
  key: types.PRNGKey,
  base: types.Params,
  delta: types.Params,
  rate: float,
  apply: Callable[[types.Params, Any], Any],
  inputs: Any,
  *,
  step: float = 0.05,
  draws: int = 4,
  discard: int = 1,
) -> TunedQ:
  """Finds the q in [1 - p, 1] whose models differ least in what they return.

  No labels are needed: what counts is the mean of |f(base + delta) - f(base + m
  delta / q)| over the outputs f. The search is that of `tune_q_by_score`.

  Args:
    key: Of the masks, which are the same for every q.
    base: The model that was tuned.
    delta: What tuning changed.
    rate: p, in [0, 1].
    apply: `(params, inputs) -> outputs`, arrays, such as the last hidden layer;
      it is compiled.
    inputs: A batch, or any tree of arrays.
    step: Of the first search.
    draws: Of masks; the mean change counts.
    discard: How many of them are left out, those of the largest change.

  Returns:
    q, and what was tried.

  Raises:
    ValueError: If an argument is out of its range, or no change is a number.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> base, delta = {'w': jnp.zeros(100)}, {'w': jnp.ones(100)}
    >>> apply = lambda params, x: x * params['w'].max()
    >>> found = deltas.tune_q_by_change(
    ...   jax.random.key(0), base, delta, 0.9, apply, jnp.ones(3)
    ... )
    >>> round(found.q, 6)  # The largest entry is 1 / q.
    1.0

  References:
    Deng et al, 2024, DARE the Extreme, https://arxiv.org/abs/2410.09344,
    Section 4.
  """
  if not 0 <= discard < draws:
    raise ValueError(
      f'`discard` must be at least 0 and below `draws` {draws}, got {discard}.'
    )
  expected = jax.jit(apply)(_arithmetic.add(base, delta), inputs)

  @jax.jit
  def change(params, inputs, expected):
    gaps = jax.tree.map(
      lambda a, b: jnp.abs(a.astype(jnp.float32) - b.astype(jnp.float32)),
      apply(params, inputs),
      expected,
    )
    gaps = jax.tree.leaves(gaps)
    return sum(map(jnp.sum, gaps)) / sum(x.size for x in gaps)

  values = lambda params: float(change(params, inputs, expected))
  return TunedQ(*_search(key, base, delta, rate, values, step, draws, discard))


def _search(
  key: types.PRNGKey,
  base: types.Params,
  delta: types.Params,
  rate: float,
  value: Callable[[types.Params], float],
  step: float,
  draws: int,
  discard: int,
) -> tuple[float, dict[float, float]]:
  """Returns the q of the smallest value, and all values."""
  _check_search(rate, step, draws)
  keys = jax.random.split(key, draws)
  fine = step / FINER
  last = int(rate / fine + 1e-6)
  at = lambda j: min(1 - rate + j * fine, 1.0)
  tried = {}

  @jax.jit
  def pruned(key, base, delta, q):
    kept = _drop_tuned.drop_tuned(rate, q)(key, delta)
    return _arithmetic.add(base, kept)

  def mean(j: int) -> float:
    found = sorted(value(pruned(k, base, delta, at(j))) for k in keys)
    kept = sum(found[: draws - discard]) / (draws - discard)
    return math.inf if math.isnan(kept) else kept

  def go(j: int, by: int) -> None:
    worse = 0
    while worse < PATIENCE and 0 <= j <= last:
      least = min(tried.values(), default=math.inf)
      tried[j] = tried[j] if j in tried else mean(j)
      worse = 0 if tried[j] < least else worse + 1
      j += by

  best = lambda: min(tried, key=tried.get)
  go(0, FINER)
  start = best()
  go(start + 1, 1)
  go(start - 1, -1)
  if not math.isfinite(tried[best()]):
    raise ValueError(f'No q has a number for its value: {tried}.')
  return at(best()), {at(j): x for j, x in tried.items()}


def _check_search(rate: float, step: float, draws: int) -> None:
  _check.fraction('rate', rate)
  if rate == 1:
    raise ValueError('`rate` is 1: nothing is left that a q could scale.')
  _check.divisor('step', step)
  if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
    raise ValueError(f'`draws` must be an integer of 1 or more, got {draws}.')
