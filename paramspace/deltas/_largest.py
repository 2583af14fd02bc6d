"""The largest scores, of leaves, rows or trees."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.deltas import _check
from paramspace.deltas import _prune
from paramspace.deltas import _rounds
from paramspace.deltas import _rows
from paramspace.deltas import _select
from paramspace.deltas import order

SCOPES = ('leaf', 'row', 'global')


def kept(
  density: float,
  scope: str,
  count: str,
  axis: int,
  score: _rounds.Score,
  kind: base.Kind = base.by_name,
) -> _prune.Prune:
  """Makes a prune that keeps the largest scores."""
  marked, rounds = marks(density, scope, count, axis, score)
  asked = order.Order(scope, _number(density, count))
  ranked = scope != 'row' and count == 'floor' and score is _rounds.magnitude
  asks = (lambda name: asked) if ranked else _prune.asks_nothing
  if density == 1:
    return _prune.Prune(lambda known, key, name, x: x, kind=kind)

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    return jnp.where(marked(known, name, x), x, 0)

  return _prune.Prune(apply, rounds, kind=kind, order=asks)


def marks(
  density: float, scope: str, count: str, axis: int, score: _rounds.Score
) -> tuple[Callable, tuple[_prune.Round, ...]]:
  """Makes `(known, name, x) -> booleans`, and the rounds that it needs."""
  _check.one_of('scope', scope, SCOPES)
  _check.one_of('count', count, ('floor', 'official'))
  _check.axis(axis)
  official, number = count == 'official', _number(density, count)

  def by_leaf(known: dict, name: str, x: jax.Array) -> jax.Array:
    if known:  # It was found beforehand.
      return by_tree(known, name, x)
    ranked = _select.bits(score(name, x))
    ranked = _rows.take(ranked, axis) if scope == 'row' else ranked
    k = number(ranked.size if scope == 'leaf' else _rows.length(ranked))
    if official:
      marked = ranked >= _select.kth(ranked, k, scope)
    else:
      marked = _select.largest(ranked, k, scope)
    return _rows.put(marked, axis) if scope == 'row' else marked

  def by_tree(known: dict, name: str, x: jax.Array) -> jax.Array:
    ranked = _select.bits(score(name, x))
    if official:
      return ranked >= known['threshold']
    if 'ends' in known:
      return _select.before(ranked, known['threshold'], known['ends'][name])
    return _select.above(ranked, known['threshold'], known['ties'][name])

  if scope == 'global':
    return by_tree, _rounds.kth(number, score)
  return by_leaf, ()


def _number(density: float, count: str) -> Callable[[int], int]:
  """Returns `(n) -> k`, how many of n are kept."""
  more = count == 'official'
  return lambda n: min(_check.portion(density, n) + more, n)
