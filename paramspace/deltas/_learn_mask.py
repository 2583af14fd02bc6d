"""The entries of a delta that carry a skill, learned."""

import functools
import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramspace import base as types
from paramspace import trees
from paramspace.deltas import _grafting

DESCENT = optax.sgd(1e7)


class LearnedMask(NamedTuple):
  """What `learn_mask` found.

  Attributes:
    mask: Booleans of the shapes of the delta, k of them true; for `mask`.
    soft: gamma, float32, from which they were chosen; 0 in leaves that were not
      selected.
    losses: Of the soft mask, before the step that each led to.
    scores: Of the masks from the first, the top movement; empty if no score was
      asked for.
  """

  mask: types.Params
  soft: types.Params
  losses: list[float]
  scores: list[float]


def learn_mask(
  loss: Callable[..., jax.Array],
  base: types.Params,
  delta: types.Params,
  density: float,
  batches: Iterable[Any] | Mapping[str, Any] | None = None,
  *,
  steps: int | None = None,
  pattern: trees.Pattern = '.*',
  optimizer: optax.GradientTransformation | None = None,
  score: Callable[[types.Params], Any] | None = None,
  bias: float = 10.0,
) -> LearnedMask:
  r"""Finds the few entries of a delta that a task needs (skill localization).

  What is grafted onto the base, theta = base + gamma delta, has a soft mask,

    gamma = B + (1 - 2 B) sigmoid(S - bias),

  that starts near B, the `top_movement_mask`. The loss of theta is made small
  over S. The mask is where gamma is among the k = floor(density n) largest.

  Args:
    loss: `(params, batch) -> scalar`; `(params) -> scalar` without batches.
    base: The model that was tuned.
    delta: What tuning changed, of the shapes of `base`.
    density: The fraction that is marked, in [0, 1].
    batches: One for every step; an iterator ends the search by ending. A
      mapping stands for stacked batches: its arrays are `[steps, ...]`.
    steps: How many; needed without batches, and with them the most.
    pattern: The leaves that are grafted, as in `where`, and that the fraction
      is of. The others are those of the base.
    optimizer: The paper's gradient descent at 10^7 if it is not given: at the
      start, the sigmoid has a slope of 5 10^-5, which meets small deltas.
    score: `(params) -> number` of the base with the entries of the mask, such
      as a validation accuracy. The mask of the largest is returned, the first
      of equal ones; without it, that of the last step.
    bias: How far from B the search starts.

  Returns:
    The mask, gamma, and what they led to.

  Raises:
    ValueError: If an argument is out of its range, the trees differ, or S is no
      longer finite; names the leaf.

  Example:
    >>> import jax.numpy as jnp, optax
    >>> from paramspace import deltas
    >>> base, delta = {'w': jnp.zeros(3)}, {'w': jnp.array([2.0, 1.0, 1.5])}
    >>> target = jnp.array([0.0, 1.0, 0.0])
    >>> loss = lambda params: jnp.sum((params['w'] - target) ** 2)
    >>> found = deltas.learn_mask(
    ...   loss, base, delta, 0.34, steps=10, optimizer=optax.sgd(2e5)
    ... )
    >>> found.mask['w'].tolist()
    [False, True, False]

  Note: The authors round gamma, so that the number of marked entries follows
    from the search; here it is exact. They draw S from [0, 1); here it starts
    at 0. They take the best of training and validation for the score.

  References:
    Panigrahi et al, 2023, Task-Specific Skill Localization,
    https://arxiv.org/abs/2302.06600, Section 2.2.
  """
  _check_steps(batches, steps)
  trees.check_shapes(base, delta, 'learn_mask: the delta, beside the base')
  top = _grafting.top_movement_mask(delta, density, pattern=pattern)
  chosen = trees.match(trees.floating(delta), pattern)
  inside, moved = ({n: trees.named(t)[n] for n in chosen} for t in (top, delta))
  optimizer = optimizer or DESCENT
  losses, scores = [], []

  def better(s: dict, best: dict) -> dict:
    grafted = _grafted(base, moved, _marked(s, inside, bias, density))
    scores.append(float(score(grafted)))
    return s if scores[-1] > max(scores[:-1], default=-jnp.inf) else best

  s = {n: jnp.zeros(x.shape, jnp.float32) for n, x in moved.items()}
  state = optimizer.init(s)
  best = better(s, s) if score else s
  for batch in _taken(batches, steps):
    s, state, value = _step(
      loss, optimizer, s, state, base, moved, inside, bias, batch
    )
    losses.append(value)
    best = better(s, best) if score else s
  _check_finite(best, losses)
  mask, soft = _marked(best, inside, bias, density), _soft(best, inside, bias)
  return LearnedMask(
    _filled(delta, mask), _filled(delta, soft), [*map(float, losses)], scores
  )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _step(loss, optimizer, s, state, base, moved, inside, bias, batch):
  """Returns S and the state after a step, and the loss before."""

  def of_soft(s):
    theta = _grafted(base, moved, _soft(s, inside, bias))
    return loss(theta) if batch is None else loss(theta, batch)

  value, slope = jax.value_and_grad(of_soft)(s)
  with jax.numpy_dtype_promotion('standard'):  # optax needs it.
    updates, state = optimizer.update(slope, state, s)
  return optax.apply_updates(s, updates), state, value


@jax.jit
def _soft(s: dict, inside: dict, bias: float) -> dict[str, jax.Array]:
  """Returns gamma."""
  return jax.tree.map(jax.nn.sigmoid, _heights(s, inside, bias))


def _heights(s: dict, inside: dict, bias: float) -> dict[str, jax.Array]:
  """Returns h, gamma = sigmoid(h): B turns the sign of S - bias."""
  turn = lambda x, b: jnp.where(b, bias - x, x - bias)
  return {n: turn(x, inside[n]) for n, x in s.items()}


def _marked(
  s: dict, inside: dict, bias: float, density: float
) -> dict[str, jax.Array]:
  """Marks the k largest; gamma itself would round to 1 from h = 17 on.

  Leaf by leaf, not in one program, which would hold the ranks of all at once.
  """

  def score(name: str, h: jax.Array):  # Positive, and in the order of h.
    return jnp.where(h > 0, h + 1, 1 / (1 + jnp.abs(h)))

  heights = _heights(s, inside, bias)
  return _grafting.top_mask(heights, density, 'global', '.*', score)


@jax.jit
def _grafted(base: types.Params, moved: dict, gamma: dict) -> types.Params:
  """Returns base + gamma delta."""
  graft = lambda d, g: trees.widen(d) * g.astype(trees.widen(d).dtype)
  return trees.shift(base, {n: graft(d, gamma[n]) for n, d in moved.items()})


def _filled(delta: types.Params, leaves: dict) -> types.Params:
  """Returns a tree like the delta, zeros where nothing was selected."""
  dtype = next(iter(leaves.values())).dtype
  others = {n: x for n, x in trees.floating(delta).items() if n not in leaves}
  none = {n: jnp.zeros(x.shape, dtype) for n, x in others.items()}
  return trees.replace(delta, none | leaves)


def _taken(batches: Any, steps: int | None) -> Iterator[Any]:
  """Returns the batches in turn, `steps` at most."""
  if batches is None:
    batches = itertools.repeat(None)
  if isinstance(batches, Mapping):
    stacked = batches
    number = len(jax.tree.leaves(stacked)[0])
    batches = (
      jax.tree.map(lambda x, i=i: x[i], stacked) for i in range(number)
    )
  return itertools.islice(batches, steps)


def _check_steps(batches: Any, steps: int | None) -> None:
  wrong = isinstance(steps, bool) or not isinstance(steps, int) or steps < 0
  if steps is None:
    wrong = batches is None
  if wrong:
    raise ValueError(
      f'learn_mask: `steps` must be an integer of 0 or more, got {steps}; it '
      'may be left out where there are `batches`.'
    )


def _check_finite(s: dict[str, jax.Array], losses: list[jax.Array]) -> None:
  for name, x in s.items():
    if not jnp.isfinite(x).all():
      raise ValueError(
        f'learn_mask: S of leaf {name!r} is no longer finite; the last losses '
        f'were {[float(x) for x in losses[-3:]]}. Take a smaller learning rate.'
      )
