"""Adam, with a pull back to where fine-tuning began."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramspace import base as types
from paramspace import trees
from paramspace.deltas import _check


def adam_toward_base(
  learning_rate: optax.ScalarOrSchedule,
  base: types.Params,
  weight_decay: float = 1e-4,
  norm: str = 'l2',
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-8,
) -> optax.GradientTransformation:
  r"""Adam with a decay towards the base: small deltas, to be pruned (AdamR).

  With v the second moment that Adam divides by, corrected for its start, and
  averaged over all parameters,

    theta <- theta - lr decay / sqrt(mean v) (theta - base) - lr Adam,

  or the sign of theta - base, for an L1 penalty.

  Args:
    learning_rate: lr, a number or a schedule.
    base: The parameters before fine-tuning. A copy becomes a part of the state,
      so that a jitted step takes it as an argument, and may donate it.
    weight_decay: decay, 0 or more; with 0 it is `optax.adam` to the bit.
    norm: 'l2' or 'l1'.
    b1: As in `optax.adam`.
    b2: As in `optax.adam`.
    eps: As in `optax.adam`.

  Returns:
    A transformation, whose `update` needs the parameters.

  Raises:
    ValueError: If an argument is out of its range or, in `init`, the parameters
      are not like the base.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> tuned, base = {'w': jnp.array([2.0])}, {'w': jnp.array([1.0])}
    >>> adam = deltas.adam_toward_base(0.1, base, weight_decay=0.5)
    >>> still = {'w': jnp.zeros(1)}
    >>> adam.update(still, adam.init(tuned), tuned)[0]['w'].round(2)
    Array([-0.05], dtype=float32)

  Note: Where mean v is 0, it counts as 1, as in the authors' code.

  References:
    Deng et al, 2024, DARE the Extreme, https://arxiv.org/abs/2410.09344,
    DAREx-L2.
  """
  _check.one_of('norm', norm, ('l2', 'l1'))
  if weight_decay < 0:
    raise ValueError(
      f'`weight_decay` must not be negative, got {weight_decay}.'
    )
  adam = optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)

  def init(params: types.Params) -> TowardBaseState:
    trees.check_same(base, params, 'adam_toward_base: params, beside base')
    return TowardBaseState(adam.init(params), jax.tree.map(jnp.copy, base))

  def update(grads, state, params=None):
    if params is None:
      raise ValueError('adam_toward_base: `update` needs the parameters.')
    with jax.numpy_dtype_promotion('standard'):  # optax needs it.
      updates, inner = adam.update(grads, state.adam, params)
      rate = learning_rate
      rate = rate(inner[0].count - 1) if callable(rate) else rate
    if weight_decay:
      v = _second_moment(inner[0], b2)
      rate = rate * weight_decay / jnp.sqrt(jnp.where(v > 0, v, 1))
      pull = functools.partial(_pull, rate, norm)
      updates = jax.tree.map(pull, updates, params, state.base)
    return updates, TowardBaseState(inner, state.base)

  return optax.GradientTransformation(init, update)


class TowardBaseState(NamedTuple):
  """The state of `adam_toward_base`.

  Attributes:
    adam: That of `optax.adam`.
    base: The parameters before fine-tuning.
  """

  adam: optax.OptState
  base: types.Params


def _second_moment(adam: optax.ScaleByAdamState, b2: float) -> jax.Array:
  """Returns the mean over all parameters, corrected for its start."""
  leaves = jax.tree.leaves(adam.nu)
  total = sum(jnp.sum(x, dtype=jnp.float32) for x in leaves)
  share = 1 - b2 ** adam.count.astype(jnp.float32)
  return total / trees.size(adam.nu) / share


def _pull(rate: jax.Array, norm: str, update, x, origin) -> jax.Array:
  away = trees.widen(x) - trees.widen(origin)
  away = jnp.sign(away) if norm == 'l1' else away
  moved = trees.widen(update) - rate.astype(away.dtype) * away
  return moved.astype(update.dtype)
