"""Prunes one after another, and prunes of some leaves."""

import re
from typing import Any

import jax

from paramspace import base
from paramspace import trees
from paramspace.deltas import _prune


def keep() -> _prune.Prune:
  """delta' = delta.

  Returns:
    A prune.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> deltas.keep()(jax.random.key(0), {'w': jnp.ones(2)})['w']
    Array([1., 1.], dtype=float32)
  """
  return _prune.Prune(lambda known, key, name, x: x, kind=base.alike)


def chain(*prunes: _prune.Prune) -> _prune.Prune:
  """Applies prunes in turn.

  What a later one must know of the tree, such as a global threshold, it sees
  after the earlier ones: they are computed again for every look, which is the
  same each time, because a draw is a function of the key and the leaf's name.

  Args:
    *prunes: The first is applied first. Each draws from a key of its own.

  Returns:
    A prune.

  Raises:
    ValueError: If there is none.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> prune = deltas.chain(deltas.trim(0.5), deltas.scale(2.0))
    >>> prune(jax.random.key(0), {'w': jnp.array([1.0, 3.0])})['w']
    Array([0., 6.], dtype=float32)
  """
  if not prunes:
    raise ValueError('`chain` needs one prune at least; see `keep`.')

  def run(known: dict, key: base.PRNGKey, name: str, x: jax.Array, stages: int):
    for i, prune in enumerate(prunes[:stages]):
      x = prune.apply(known.get(i, {}), jax.random.fold_in(key, i), name, x)
    return x

  def lift(i: int, look: _prune.Round) -> _prune.Round:
    def observe(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
      x = run(known, key, name, x, stages=i)
      own = jax.random.fold_in(key, i)
      return look.observe(known.get(i, {}), own, name, x)

    def conclude(known: dict, seen: Any):
      return known | {i: look.conclude(known.get(i, {}), seen)}

    return _prune.Round(observe, look.merge, conclude)

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    return run(known, key, name, x, stages=len(prunes))

  def check(delta: base.Params):
    for prune in prunes:
      prune.check(delta)

  def kind(name: str, shape: tuple[int, ...]):
    return tuple(prune.kind(name, shape) for prune in prunes)

  rounds = [lift(i, look) for i, p in enumerate(prunes) for look in p.rounds]
  return _prune.Prune(apply, tuple(rounds), check, kind)


def where(
  pattern: trees.Pattern,
  prune: _prune.Prune,
  otherwise: _prune.Prune | None = None,
) -> _prune.Prune:
  """Prunes some leaves in one way, and the others in another.

  Each way sees its own leaves alone: a global threshold is one over them.

  Args:
    pattern: A regular expression that must match the whole name, or a predicate
      `(name, leaf) -> bool`.
    prune: For the leaves that are selected.
    otherwise: For the others; `keep()` if it is not given.

  Returns:
    A prune.

  Raises:
    ValueError: When it is called, if no floating-point leaf is selected; lists
      near misses.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'head': jnp.ones(2), 'body': jnp.array([1.0, 2.0])}
    >>> prune = deltas.where('body', deltas.trim(0.5))
    >>> [x.tolist() for x in prune(jax.random.key(0), delta).values()]
    [[0.0, 2.0], [1.0, 1.0]]
  """
  ways = {True: prune, False: otherwise or keep()}

  def way(name: str, x: jax.Array | None) -> bool:
    if callable(pattern):
      return bool(pattern(name, x))
    return re.fullmatch(pattern, name) is not None

  def lift(side: bool, look: _prune.Round) -> _prune.Round:
    def observe(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
      if way(name, x) != side:
        return None
      return look.observe(known.get(side, {}), key, name, x)

    def merge(a: Any, b: Any):
      return b if a is None else a if b is None else look.merge(a, b)

    def conclude(known: dict, seen: Any):
      if seen is None:
        return known
      return known | {side: look.conclude(known.get(side, {}), seen)}

    return _prune.Round(observe, merge, conclude)

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    side = way(name, x)
    return ways[side].apply(known.get(side, {}), key, name, x)

  def check(delta: base.Params):
    leaves = trees.floating(delta)
    chosen = trees.match(leaves, pattern)
    prune.check({n: leaves[n] for n in chosen})
    rest = {n: x for n, x in leaves.items() if n not in chosen}
    if rest:
      ways[False].check(rest)

  def kind(name: str, shape: tuple[int, ...]):
    if callable(pattern):
      return name
    side = way(name, None)
    return side, ways[side].kind(name, shape)

  rounds = [lift(side, r) for side in (True, False) for r in ways[side].rounds]
  return _prune.Prune(apply, tuple(rounds), check, kind)
