"""The shape that every prune has: rounds that look, then a map of leaves."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import order as orders

LIMIT = 1 << 31  # Counts are int32 on devices.


class Round(NamedTuple):
  """One look at all leaves, before any is changed.

  Observations are arrays, or dicts of them, and `merge` is associative and
  commutative: they may come from leaves, from parts of leaves on other hosts,
  or from files, and counts may be merged as int64 arrays of NumPy. What is
  observed or known of one leaf stands under its name.

  Attributes:
    observe: `(known, key, name, x) -> observation` of one leaf.
    merge: `(a, b) -> observation` of both.
    conclude: `(known, observation) -> known`, given that of all leaves.
    outcomes: What it may add to what is known, as names and values, if that is
      one of a few. Then leaves may be merged before all were seen: those for
      which the outcome makes a difference are merged again if another one was
      expected.
  """

  observe: Callable[[dict, base.PRNGKey, str, jax.Array], Any]
  merge: Callable[[Any, Any], Any]
  conclude: Callable[[dict, Any], dict]
  outcomes: tuple[tuple[tuple[str, Any], ...], ...] = ()


def fits_any(delta: base.Params) -> None:
  """Raises for no tree."""


def asks_nothing(name: str) -> orders.Order | None:
  """Returns that no magnitude of a leaf is asked for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Prune:
  """A map of deltas, `prune(key, delta) -> delta`.

  It may also be run by hand, leaf by leaf, on a tree that is never in memory at
  once: the rounds in turn, then `apply`. Both give the same bits.

  What is drawn, selected or measured is a constant of the gradient: that of a
  pruned delta is the mask, times the scale. It goes through `jit`, `vmap` and
  `grad`, and leaves may be sharded. (It is no NamedTuple, because `jit` takes
  no callable tuple.)

  Attributes:
    apply: `(known, key, name, x) -> x`, of one leaf. `known` is what the rounds
      have concluded, `{}` before the first. `key` is that of the leaf,
      `trees.key_for(key, name)`, so a leaf's draw depends on no other.
    rounds: What must be known before; none where each leaf is on its own.
    check: `(delta) -> None`; raises where the prune and the tree do not fit, of
      which it reads names and shapes.
    kind: `(name, shape) -> hashable`. Leaves of one kind and shape are treated
      alike, whatever their names, so that one program serves them all.
    order: `(name) -> Order`, or None. What is asked of the leaf's magnitudes,
      where that is all that is asked. A host that finds it in its own way may
      give it to `apply`: known['threshold'] are its bits, and equal entries
      are kept before the place known['ends'][name].
  """

  apply: Callable[[dict, base.PRNGKey, str, jax.Array], jax.Array]
  rounds: tuple[Round, ...] = ()
  check: Callable[[base.Params], None] = fits_any
  kind: base.Kind = base.by_name
  order: Callable[[str], orders.Order | None] = asks_nothing

  def __call__(self, key: base.PRNGKey, delta: base.Params) -> base.Params:
    """Prunes the floating-point leaves of `delta`.

    Args:
      key: What is drawn depends on it, and on the names of leaves.
      delta: A tree, as `subtract` returns it. Leaves that are not floating-
        point are carried.

    Returns:
      A tree like it.

    Raises:
      ValueError: If a value is not finite (not known under `jit`), or the prune
        does not fit the tree; names the leaf.
    """
    leaves = trees.floating(delta)
    self.check(delta)
    for name, x in leaves.items():
      _check_finite(name, x)
    _check_size(leaves, self.rounds)
    keys = {name: trees.key_for(key, name) for name in leaves}
    known = {}
    for look in self.rounds:
      seen = [look.observe(known, keys[n], n, x) for n, x in leaves.items()]
      known = look.conclude(known, functools.reduce(look.merge, seen))
    pruned = {n: self.apply(known, keys[n], n, x) for n, x in leaves.items()}
    return trees.replace(delta, pruned)


def _check_finite(name: str, x: jax.Array) -> None:
  if isinstance(x, jax.core.Tracer | jax.ShapeDtypeStruct):
    return
  with jax.ensure_compile_time_eval():  # A constant of a jitted function.
    wrong = int(jnp.sum(~jnp.isfinite(x)))
  if wrong:
    raise ValueError(
      f'Leaf {name!r} of the delta has {wrong} values that are not finite, '
      'which have no rank; mend them or leave it out.'
    )


def _check_size(leaves: dict[str, jax.Array], rounds: tuple) -> None:
  sizes = {name: x.size for name, x in leaves.items()}
  largest = max(sizes, key=sizes.get)
  if sizes[largest] >= LIMIT:
    raise ValueError(
      f'Leaf {largest!r} has {sizes[largest]} values, more than an int32 '
      'counts; split it.'
    )
  if rounds and sum(sizes.values()) >= LIMIT:
    raise ValueError(
      f'The tree has {sum(sizes.values())} values, more than an int32 counts; '
      "prune by scope='leaf', or run the rounds leaf by leaf and merge their "
      'counts as int64.'
    )
