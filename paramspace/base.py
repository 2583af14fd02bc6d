"""Shared types: one NamedTuple of pure functions per kind of method.

Shape notation, used in trailing comments everywhere: `n` models, `d` trained
coordinates, `D` parameters in total, `*s` the shape of one leaf.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax

Params = Any  # A pytree of `jax.Array` leaves.
PRNGKey = jax.Array  # A typed key, as made by `jax.random.key`.


class Reparam(NamedTuple):
  """A reparameterization theta = f(theta_0, z), as a pair of pure functions.

  The law that every member keeps: `apply(params, z, frozen) == params` at the
  `z` that `init` returns.

  Attributes:
    init: `(key, params) -> (z, frozen)`. `z` is a pytree that is trained;
      `frozen` is a pytree (signs, factors, a basis) that is not, and is passed
      to a jitted function as an argument.
    apply: `(params, z, frozen) -> params`; linear in `z` where the method is.
    nested: Whether `z` is one vector of `d` coordinates of which the first `k`
      span a proper `k`-dimensional map of the same kind. One compiled program
      then serves every dimension up to `d`, by masking `z`.
  """

  init: Callable[[PRNGKey, Params], tuple[Any, Any]]
  apply: Callable[[Params, Any, Any], Params]
  nested: bool = False


class Averager(NamedTuple):
  """An average of theta_1, theta_2, ..., as a triple of pure functions.

  All three go through `jit`, `vmap` and `scan`, the state is a pytree of
  arrays, and every leaf of it lies where the leaf of the parameters does.

  Attributes:
    init: `(params) -> state`. The parameters count for nothing but their
      structure, and as what `value` returns before the first update.
    update: `(params, state) -> state`, once a training step.
    value: `(state, like=None) -> params`: the average so far, in the dtype of
      its accumulator, or in the dtypes of the tree `like`.
  """

  init: Callable[[Params], Any]
  update: Callable[[Params, Any], Any]
  value: Callable[..., Params]
