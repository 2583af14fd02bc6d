"""Shared types: one NamedTuple of pure functions per kind of method.

Shape notation, used in trailing comments everywhere: `n` models, `d` trained
coordinates, `D` parameters in total, `*s` the shape of one leaf.
"""

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
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


Kind = Callable[[str, tuple[int, ...]], Hashable]


def by_name(name: str, shape: tuple[int, ...]) -> Hashable:
  """Returns the kind of a leaf that is its own: another for every name."""
  return name


def alike(name: str, shape: tuple[int, ...]) -> Hashable:
  """Returns the kind of a leaf whose name counts for nothing."""
  return None


class Leaf(NamedTuple):
  """One leaf of the models that are merged, the models stacked.

  Attributes:
    name: The name of the leaf.
    base: What the deltas are counted from, `[*s]`, in float32 or wider.
    deltas: `[n, *s]`, pruned, in the order of the models' names.
    weights: `[n]`, float32.
    statistics: What is known of each model here, such as a Fisher diagonal,
      `[n, ...]`; None where nothing was given.
  """

  name: str
  base: jax.Array
  deltas: jax.Array
  weights: jax.Array
  statistics: jax.Array | None = None


def takes_any(leaf: Leaf) -> None:
  """Raises for no leaf."""


class Combine(NamedTuple):
  """A map of n deltas to one, leaf by leaf, differentiable in the weights.

  Attributes:
    apply: `(known, leaf) -> delta`, `[*s]`. `known` is what the rounds have
      concluded of all leaves, `{}` before the first.
    rounds: What must be known of all leaves first, as in a prune; here
      `observe` is `(known, leaf) -> observation`.
    origin: What deltas are counted from: 'base', or 'zero', where the models
      themselves are what is combined and the base counts for nothing.
    check: `(leaf) -> None`; raises, outside `jit`, where the method does not
      fit the leaf, the number of the models, or their weights.
    sums: Whether the result is a weighted sum, in which a value that is not
      finite cannot be lost, so that it is enough to look for one there.
    kind: `(name, shape) -> hashable`. Leaves of one kind and shape are treated
      alike, whatever their names, so that one program serves them all.
  """

  apply: Callable[[dict, Leaf], jax.Array]
  rounds: tuple[Any, ...] = ()
  origin: str = 'base'
  check: Callable[[Leaf], None] = takes_any
  sums: bool = False
  kind: Kind = by_name


Prune = Callable[[PRNGKey, Params], Params]


class Recipe(NamedTuple):
  """How models become one: theta = base + scale combine(prune(deltas)).

  Attributes:
    combine: Makes one delta of many.
    prune: `(key, delta) -> delta`, of each model before; or, where models are
      pruned in different ways, one such function by model; None for none.
    scale: The factor of the merged delta; it may be traced.
    draws: Whether the prune is random, so that a key is needed.
    config: The method's name and arguments, from which `merging.loads` makes
      the recipe again; empty if it was put together by hand.
  """

  combine: Combine
  prune: Prune | Mapping[str, Prune] | None = None
  scale: float | jax.Array = 1.0
  draws: bool = True
  config: Mapping[str, Any] = {}
