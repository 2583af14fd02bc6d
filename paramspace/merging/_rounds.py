"""What a combine must know of all leaves, before any is merged."""

import functools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import deltas

Score = Callable[[dict, base.Leaf], jax.Array]


def run(rounds: Sequence[deltas.Round], leaves: Sequence[base.Leaf]) -> dict:
  """Returns what the rounds conclude of the leaves."""
  known = {}
  for look in rounds:
    seen = [look.observe(known, leaf) for leaf in leaves]
    known = look.conclude(known, functools.reduce(look.merge, seen))
  return known


def by_leaf(combine: base.Combine) -> base.Combine:
  """Returns the combine that sees every leaf as if it were the only one."""

  def apply(known: dict, leaf: base.Leaf):
    return combine.apply(run(combine.rounds, [leaf]), leaf)

  return combine._replace(apply=apply, rounds=())


def largest(
  places: Mapping[str, Callable[[int], int]], score: Score
) -> tuple[deltas.Round, deltas.Round]:
  """Makes the rounds that find the k-th largest magnitudes of every model.

  Args:
    places: By name, k for the number of values in the tree.
    score: `(known, leaf) -> scores`, `[n, *s]`, whose magnitudes are ranked.

  Returns:
    Rounds after which `known[name]` is those of the models, float32 `[n]`.
  """
  pairs = {name: deltas.threshold(place) for name, place in places.items()}
  return _look(pairs, 0, score), _look(pairs, 1, score)


def _look(
  pairs: Mapping[str, Sequence[deltas.Round]], i: int, score: Score
) -> deltas.Round:
  """Lifts the i-th round of each pair to n models."""

  def before(known: dict, name: str, m: int) -> dict:
    return known[name][m] if i else {}

  def observe(known: dict, leaf: base.Leaf):
    stack = score(known, leaf)
    return {
      name: [
        pair[i].observe(before(known, name, m), None, leaf.name, x)
        for m, x in enumerate(stack)
      ]
      for name, pair in pairs.items()
    }

  def merge(a: dict, b: dict):
    return {
      name: [
        pair[i].merge(*both) for both in zip(a[name], b[name], strict=True)
      ]
      for name, pair in pairs.items()
    }

  def conclude(known: dict, seen: dict):
    found = {
      name: [
        pair[i].conclude(before(known, name, m), x)
        for m, x in enumerate(seen[name])
      ]
      for name, pair in pairs.items()
    }
    if i:
      values = lambda ks: [k['value'] for k in ks]
      found = {name: jnp.stack(values(ks)) for name, ks in found.items()}
    return known | found

  return deltas.Round(observe, merge, conclude)
