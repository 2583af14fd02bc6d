"""Magnitudes of a delta, bounded."""

import math

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.deltas import _check
from paramspace.deltas import _largest
from paramspace.deltas import _prune
from paramspace.deltas import _rounds
from paramspace.deltas import _rows
from paramspace.deltas import _select


def clip(quantile: float, scope: str = 'leaf', axis: int = -1) -> _prune.Prune:
  r"""delta' = sign(delta) min(|delta|, t), t a quantile of the magnitudes.

  Of n magnitudes t is the ceil(quantile n)-th smallest, or the smallest: one
  that occurs. No more than floor((1 - quantile) n) entries are changed.

  Args:
    quantile: In [0, 1]. 1 gives the delta, 0.5 bounds by the median.
    scope: What the n entries are: 'leaf', 'row' or 'global', as in `trim`.
    axis: As in `trim`.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'w': jnp.array([3.0, -9.0, 1.0, 4.0])}
    >>> deltas.clip(0.75)(jax.random.key(0), delta)['w']
    Array([ 3., -4.,  1.,  4.], dtype=float32)

  References:
    Du et al, 2024, PCB-Merging, https://arxiv.org/abs/2410.02396, whose code
    clips magnitudes before it ranks them.
  """
  _check.fraction('quantile', quantile)
  _check.one_of('scope', scope, _largest.SCOPES)
  _check.axis(axis)
  if quantile == 1:
    return _prune.Prune(lambda known, key, name, x: x)
  place = lambda n: n - max(math.ceil(quantile * n), 1) + 1

  def by_leaf(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    ranked = _select.bits(x)
    if scope == 'leaf':
      return _bounded(x, _select.kth(ranked, place(x.size), 'leaf'))
    rows = _rows.take(ranked, axis)
    bound = _select.kth(rows, place(_rows.length(rows)), 'row')
    return _bounded(x, _rows.put(bound, axis))

  def by_tree(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    return _bounded(x, known['threshold'])

  if scope == 'global':
    return _prune.Prune(by_tree, _rounds.kth(place))
  return _prune.Prune(by_leaf)


def _bounded(x: jax.Array, ranked: jax.Array) -> jax.Array:
  bound = _select.value(ranked).astype(x.dtype)
  bound = jnp.broadcast_to(bound, x.shape)
  return jnp.where(jnp.abs(x) > bound, jnp.copysign(bound, x), x)
