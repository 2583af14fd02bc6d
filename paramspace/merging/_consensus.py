"""Signs elected over the models, and the mean of those that agree."""

import functools
import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import deltas
from paramspace.merging import _check
from paramspace.merging import _rounds
from paramspace.merging import _stack

REDUCES = ('mean', 'sum', 'max')
COMPATS = ('paper', 'mergekit', 'peft')
SIGNS = ('total', 'frequency')


def consensus(
  reduce: str, scope: str | None, compat: str, sign: str
) -> base.Combine:
  """Makes the second and third step of TIES; arguments as in `ties`."""
  _check.one_of('reduce', reduce, REDUCES)
  _check.one_of('compat', compat, COMPATS)
  _check.one_of('sign', sign, SIGNS)
  scope = scope or ('global' if compat == 'paper' else 'leaf')
  _check.one_of('scope', scope, ('global', 'leaf'))
  if compat != 'paper' and scope != 'leaf':
    raise ValueError(f"{compat} has no scope but 'leaf', got {scope!r}.")

  def apply(known: dict, leaf: base.Leaf):
    scaled = _stack.scaled(leaf.weights, leaf.deltas)
    votes = scaled if compat == 'mergekit' else [*leaf.deltas]
    elected = _elected(votes, sign)
    undecided = known['majority'] if compat == 'paper' else 1
    elected = jnp.where(elected == 0, undecided, elected)
    agree = [(_signs(x) == elected) & (x != 0) for x in votes]
    kept = [jnp.where(a, x, 0) for a, x in zip(agree, scaled, strict=True)]
    if reduce == 'max':
      larger = lambda a, b: jnp.where(jnp.abs(b) > jnp.abs(a), b, a)
      return functools.reduce(larger, kept)
    merged = _stack.summed(kept)
    if reduce == 'sum':
      return merged
    return merged / _divisor(leaf, agree, compat)

  if compat != 'paper':
    return base.Combine(apply, kind=base.alike)

  def observe(known: dict, leaf: base.Leaf):
    return _stack.count(_elected(leaf.deltas, sign))

  def conclude(known: dict, seen: jax.Array):
    # Of an int64 of NumPy, which counts more than a device can.
    sign = (seen > 0).astype(jnp.int32) - (seen < 0).astype(jnp.int32)
    return known | {'majority': sign}

  outcomes = tuple((('majority', np.int32(sign)),) for sign in (-1, 0, 1))
  majority = deltas.Round(observe, operator.add, conclude, outcomes)
  combine = base.Combine(apply, (majority,), kind=base.alike)
  return combine if scope == 'global' else _rounds.by_leaf(combine)


def _elected(votes: Sequence[jax.Array], sign: str) -> jax.Array:
  """Returns -1, 0 or 1, int32 `[*s]`."""
  counted = votes if sign == 'total' else [_signs(x) for x in votes]
  return _signs(_stack.summed(counted))


def _signs(x: jax.Array) -> jax.Array:
  return jnp.sign(x).astype(jnp.int32)


def _divisor(
  leaf: base.Leaf, agree: Sequence[jax.Array], compat: str
) -> jax.Array:
  """Returns what the sum of those that agree is divided by, never 0."""
  dtype = leaf.deltas.dtype
  if compat == 'mergekit':
    weights = jnp.asarray(leaf.weights).astype(dtype)
    pairs = zip(agree, weights, strict=True)
    kept = _stack.summed([jnp.where(a, w, 0) for a, w in pairs])
    return jnp.where(kept == 0, 1, kept)
  count = _stack.summed([a.astype(jnp.int32) for a in agree])
  return jnp.maximum(count, 1).astype(dtype)
