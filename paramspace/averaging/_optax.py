"""Averages in a chain of optax transformations."""

from typing import Any
from typing import NamedTuple

import jax
import optax

from paramspace import base
from paramspace.averaging import _averager
from paramspace.averaging import _window


class AveragingState(NamedTuple):
  """The state of `as_optax`.

  Attributes:
    average: The averager's state.
  """

  average: Any


def as_optax(averager: base.Averager) -> optax.GradientTransformation:
  """Makes a transformation that averages the parameters, and changes nothing.

  Args:
    averager: What averages.

  Returns:
    A transformation for the end of a chain: it averages the parameters plus the
    updates that reach it, which it passes on.

  Example:
    >>> import jax, jax.numpy as jnp, optax
    >>> from paramspace import averaging
    >>> optimizer = optax.chain(
    ...   optax.sgd(1.0),
    ...   averaging.as_optax(averaging.averager(averaging.uniform())),
    ... )
    >>> params = jnp.zeros(2)
    >>> state = optimizer.init(params)
    >>> for gradient in jnp.full(2, -1.0), jnp.full(2, -3.0):
    ...   updates, state = optimizer.update(gradient, state, params)
    ...   params = optax.apply_updates(params, updates)
    >>> params, averaging.averaged_params(state)  # After 1 and 4.
    (Array([4., 4.], dtype=float32), Array([2.5, 2.5], dtype=float32))
  """

  def init(params: base.Params) -> AveragingState:
    return AveragingState(averager.init(params))

  def update(updates, state, params=None):
    if params is None:
      raise ValueError(
        'An average needs the parameters: call `optimizer.update(updates, '
        'state, params)`.'
      )
    moved = optax.apply_updates(params, updates)
    return updates, AveragingState(averager.update(moved, state.average))

  return optax.GradientTransformation(init, update)


def averaged_params(
  opt_state: Any, like: base.Params | None = None
) -> base.Params:
  """Returns the average that `as_optax` keeps somewhere in a state.

  Args:
    opt_state: The state of a chain, at any depth.
    like: A tree whose dtypes the average gets, such as the parameters.

  Returns:
    The average, float32 or wider without `like`.

  Raises:
    ValueError: If there is none in it, or more than one.
  """
  here = lambda x: isinstance(x, AveragingState)
  found = [x for x in jax.tree.leaves(opt_state, is_leaf=here) if here(x)]
  if len(found) != 1:
    raise ValueError(
      f'The state has {len(found)} averages, not one; put one `as_optax('
      'averager)` into the chain, or read each by `averager.value(state)`.'
    )
  average = found[0].average
  if isinstance(average, _window.WindowState):
    return _window.value(average, like)
  return _averager.value(average, like)
