"""Reparameterizations made of reparameterizations."""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax

from paramspace import base
from paramspace import trees


class ChainFrozen(NamedTuple):
  """What a chain freezes.

  Attributes:
    start: The initial coordinates of the outer map.
    outer: What the outer map freezes.
    inner: What the inner map freezes.
  """

  start: Any
  outer: Any
  inner: Any


def chain(outer: base.Reparam, inner: base.Reparam) -> base.Reparam:
  r"""theta = outer(theta_0, inner(z_0, w)): `inner` acts on the outer z.

  Args:
    outer: Maps its coordinates z, which start at z_0, to parameters.
    inner: Maps the trained w to coordinates z around z_0.

  Returns:
    A `Reparam` with the z of `inner`.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.chain(reparam.dense(dim=8), reparam.hashed(dim=2))
    >>> z, frozen = rp.init(jax.random.key(0), {'w': jnp.ones((4, 4))})
    >>> z.shape
    (2,)
  """

  def init(key: base.PRNGKey, params: base.Params):
    outer_key, inner_key = jax.random.split(key)
    start, outer_frozen = outer.init(outer_key, params)
    z, inner_frozen = inner.init(inner_key, start)
    return z, ChainFrozen(start, outer_frozen, inner_frozen)

  def apply(params: base.Params, z: Any, frozen: ChainFrozen):
    coordinates = inner.apply(frozen.start, z, frozen.inner)
    return outer.apply(params, coordinates, frozen.outer)

  return base.Reparam(init, apply, nested=inner.nested)


def add(*parts: base.Reparam) -> base.Reparam:
  r"""theta = theta_0 + sum_i (f_i(theta_0, z_i) - theta_0).

  Args:
    *parts: Two or more reparameterizations of the same tree.

  Returns:
    A `Reparam` whose z is the tuple of theirs.

  Raises:
    ValueError: If there is no part.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.add(reparam.dense(dim=3), reparam.hashed(dim=2))
    >>> z, frozen = rp.init(jax.random.key(0), {'w': jnp.ones((4, 4))})
    >>> reparam.count(z)
    5
  """
  if not parts:
    raise ValueError('`add` needs at least one reparameterization.')

  def widen(params):  # Cast once, after the sum, not once a part.
    leaves = trees.floating(params)
    return trees.replace(params, {n: trees.widen(x) for n, x in leaves.items()})

  def init(key: base.PRNGKey, params: base.Params):
    keys, params = jax.random.split(key, len(parts)), widen(params)
    drawn = [rp.init(k, params) for rp, k in zip(parts, keys, strict=True)]
    return tuple(z for z, _ in drawn), tuple(frozen for _, frozen in drawn)

  def apply(params: base.Params, z: tuple, frozen: tuple):
    if len(z) != len(parts):
      raise ValueError(f'`z` should have {len(parts)} parts, got {len(z)}.')
    wide = widen(params)
    origin = trees.floating(wide)

    def delta(rp, z, frozen):
      moved = trees.floating(rp.apply(wide, z, frozen))
      return {n: moved[n] - x for n, x in origin.items()}

    deltas = [delta(*part) for part in zip(parts, z, frozen, strict=True)]
    return trees.shift(params, jax.tree.map(lambda *d: sum(d), *deltas))

  return base.Reparam(init, apply)


def select(routes: Mapping[trees.Pattern, base.Reparam]) -> base.Reparam:
  r"""Each leaf goes to the first route whose pattern fits; the others stay.

  Args:
    routes: From a regular expression that must match the whole leaf name, or a
      predicate `(name, leaf) -> bool`, to a reparameterization. All leaves of
      one route share its z.

  Returns:
    A `Reparam` whose z is the tuple of those of the routes, in their order.

  Raises:
    ValueError: In `init`, if a pattern is left with no leaf.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.select({'.*/kernel': reparam.hashed(dim=2)})
    >>> params = {'Dense_0': {'kernel': jnp.ones((4, 4)), 'bias': jnp.ones(4)}}
    >>> (z,), frozen = rp.init(jax.random.key(0), params)
    >>> z.shape
    (2,)
  """
  routes = dict(routes)

  def split(params):
    rest, parts = trees.floating(params), []
    for pattern in routes:
      names = trees.match(rest, pattern)
      parts.append({n: rest.pop(n) for n in names})
    return parts

  def init(key: base.PRNGKey, params: base.Params):
    drawn = [
      rp.init(key, part)
      for rp, part in zip(routes.values(), split(params), strict=True)
    ]
    return tuple(z for z, _ in drawn), tuple(frozen for _, frozen in drawn)

  def apply(params: base.Params, z: tuple, frozen: tuple):
    if len(z) != len(routes):
      raise ValueError(f'`z` should have {len(routes)} parts, got {len(z)}.')
    moved = {}
    parts = zip(routes.values(), split(params), z, frozen, strict=True)
    for rp, part, coordinates, froze in parts:
      moved |= rp.apply(part, coordinates, froze)
    return trees.replace(params, moved)

  return base.Reparam(init, apply)
