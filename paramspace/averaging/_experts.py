"""Experts that are averaged while they train, and become one layer."""

import operator

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.averaging import _interpolate


def pull_experts(
  params: base.Params,
  rate: _interpolate.Scalar,
  pattern: trees.Pattern,
  axis: int = 0,
) -> base.Params:
  r"""Moves every expert towards the mean of all, after a step of training.

    W_i <- W_i + rate (mean_j W_j - W_i)

  The mean of the experts stays where it is. A rate of 0 changes nothing, and
  after a rate of 1 all are equal, to the bit.

  Args:
    params: A tree in which some leaves are stacks of experts.
    rate: How far, in [0, 1]; a traced number, as from `share_rate`, too.
    pattern: The stacked leaves: a regular expression that must match the whole
      name, or a predicate `(name, leaf) -> bool`.
    axis: The axis of these leaves that counts the experts.

  Returns:
    A tree like `params`; means are taken in float32 or wider.

  Raises:
    ValueError: If the rate is outside [0, 1], the pattern matches nothing, or a
      leaf that it matches has no such axis or is not floating-point.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> params = {'experts': jnp.array([[0.0], [4.0]]), 'head': jnp.ones(1)}
    >>> averaging.pull_experts(params, 0.5, 'experts')['experts']
    Array([[1.],
           [3.]], dtype=float32)

  Note: A pull by beta towards the mean of the other n - 1 experts is one by
  rate = beta n / (n - 1) towards the mean of all. The state of the optimizer is
  not averaged.

  References:
    Huang et al, 2023, Experts Weights Averaging: A New General Training Scheme
    for Vision Transformers, https://arxiv.org/abs/2308.06093.
  """
  _interpolate.unit_interval('rate', rate)
  pulled = {}
  for name, x in _stacks(params, pattern, axis).items():
    wide = trees.widen(x)
    mean = jnp.mean(wide, axis, keepdims=True)
    pulled[name] = _interpolate.between(wide, mean, rate).astype(x.dtype)
  return trees.replace(params, pulled)


def collapse_experts(
  params: base.Params, pattern: trees.Pattern, axis: int = 0
) -> base.Params:
  r"""Replaces every stack of experts with their mean, at the end of training.

  The tree that results is that of a model with one dense layer in the place of
  each mixture, which costs as much at inference as if there had been none.

  Args:
    params: A tree in which some leaves are stacks of experts.
    pattern: The stacked leaves, as in `pull_experts`.
    axis: The axis of these leaves that counts the experts; it disappears.

  Returns:
    A tree of the same leaves, where those that match have an axis less.

  Raises:
    ValueError: As `pull_experts` does.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> params = {'experts': jnp.array([[0.0], [4.0]]), 'head': jnp.ones(1)}
    >>> averaging.collapse_experts(params, 'experts')['experts']
    Array([2.], dtype=float32)

  References:
    Huang et al, 2023, https://arxiv.org/abs/2308.06093.
  """
  stacks = _stacks(params, pattern, axis)
  means = {
    name: jnp.mean(trees.widen(x), axis).astype(x.dtype)
    for name, x in stacks.items()
  }
  return trees.replace(params, means)


def share_rate(step: _interpolate.Scalar, total: int, rate: float) -> jax.Array:
  r"""Returns the rate of `pull_experts` at a step: a ramp from 0.

    rate min(step / total, 1)

  The experts are free to differ at first and are drawn together towards the
  end, where they become one.

  Args:
    step: The steps so far, a number or traced.
    total: The step at which the ramp reaches its end, positive.
    rate: What it reaches there, in [0, 1].

  Returns:
    A scalar.

  Raises:
    ValueError: If `total` or `rate` is out of its range.

  Example:
    >>> from paramspace import averaging
    >>> [float(averaging.share_rate(step, 4, 0.5)) for step in (0, 1, 4, 9)]
    [0.0, 0.125, 0.5, 0.5]

  Note: That the ramp is straight, and begins at the first step, is a choice
  made here; the schedule of the paper may be another.

  References:
    Huang et al, 2023, https://arxiv.org/abs/2308.06093.
  """
  if isinstance(total, bool) or not total > 0:
    raise ValueError(f'`total` must be positive, got {total}.')
  _interpolate.unit_interval('rate', rate)
  return rate * jnp.clip(jnp.asarray(step, float) / total, 0, 1)


def _stacks(
  params: base.Params, pattern: trees.Pattern, axis: int
) -> dict[str, jax.Array]:
  """Returns the leaves that match, which are stacks along `axis`."""
  leaves = trees.named(params)
  stacks = {n: leaves[n] for n in trees.match(params, pattern)}
  axis = operator.index(axis)
  for name, x in stacks.items():
    if not trees.is_floating(x) or not -x.ndim <= axis < x.ndim:
      raise ValueError(
        f'Leaf {name!r}, {x.dtype}{list(x.shape)}, is no stack of experts '
        f'along axis {axis}; narrow the pattern {pattern!r}.'
      )
  return stacks
