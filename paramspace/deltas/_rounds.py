"""The k-th largest magnitude of a tree, in two rounds over its leaves."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax

from paramspace import base
from paramspace.deltas import _prune
from paramspace.deltas import _select

Score = Callable[[str, jax.Array], jax.Array]


def magnitude(name: str, x: jax.Array) -> jax.Array:
  """Returns what entries are ranked by: |x| is that of the bits."""
  return x


def kth(
  count: Callable[[int], int], score: Score = magnitude
) -> tuple[_prune.Round, _prune.Round]:
  """Makes the rounds that find the k-th largest of all leaves.

  Nothing is sorted or concatenated, and what is merged are counts: 2^17 of all
  leaves, then 2^14 of each leaf, so that every leaf's share of the ties is
  known. Ties go to the leaves in order of their names, and within a leaf to the
  entries that come first.

  Args:
    count: Returns k for the number of values in the tree.
    score: `(name, x) -> scores`, of which the magnitudes are ranked.

  Returns:
    Rounds after which `known['threshold']` is `_select.bits` of the k-th, and
    `known['ties'][name]` how many equal to it are among the k.
  """

  def observe_high(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    counts = _select.high_counts(_select.bits(score(name, x)))
    return {'counts': counts, 'size': x.size}

  def conclude_high(known: dict, seen: dict[str, Any]):
    k = count(int(seen['size']))
    high, rest = _select.descend(seen['counts'], k)
    return {**known, 'high': high, 'rest': rest}

  def observe_low(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    ranked = _select.bits(score(name, x))
    return {name: _select.low_counts(ranked, known['high'])}

  def conclude_low(known: dict, seen: dict[str, Any]):
    total = functools.reduce(operator.add, seen.values())
    low, rest = _select.descend(total, known['rest'])
    ties = {}
    for name in sorted(seen):
      ties[name] = rest.clip(0, seen[name][low])
      rest = rest - ties[name]
    threshold = (known['high'] << _select.LOW) | low
    return {'threshold': threshold, 'ties': ties}

  return (
    _prune.Round(observe_high, _add, conclude_high),
    _prune.Round(observe_low, _union, conclude_low),
  )


def _add(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
  return {name: a[name] + b[name] for name in a}


def _union(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
  """Adds parts of one leaf, and puts other leaves beside."""
  both = {name: a[name] + b[name] for name in a.keys() & b.keys()}
  return a | b | both
