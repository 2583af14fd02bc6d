"""Matrices in the place of permutations."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _nested

# By group, in the layout of pairs: new[h, i] = sum m[h, h', i, j] old[h', j].
Matrices = Mapping[str, jax.Array]


class Move(NamedTuple):
  """How a part of a leaf is multiplied with matrices, as `einsum` takes it.

  Attributes:
    old: A number for each axis of the part.
    new: The same after the product.
    matrices: The name of a group, and the numbers of its matrix's axes.
  """

  old: tuple[int, ...]
  new: tuple[int, ...]
  matrices: tuple[tuple[str, tuple[int, ...]], ...]


def moves(
  spec: symmetry.Spec, params: base.Params, leave: Collection[str] = ()
) -> tuple[Move, ...]:
  """Returns the move of every part that a group moves; it is hashable.

  Args:
    spec: A specification.
    params: A tree.
    leave: The names of leaves that do not count.
  """
  return tuple(move for move, _ in _moving(spec, params, leave))


def parts(
  spec: symmetry.Spec, params: base.Params, leave: Collection[str] = ()
) -> list[jax.Array]:
  """Returns the parts of which `moves` tells how they move."""
  return [trees.widen(part) for _, part in _moving(spec, params, leave)]


def _moving(spec, params, leave):
  """Yields moves and parts."""
  for name, leaf in _leaves(spec, params, leave).items():
    for factors, part in symmetry.blocks(spec.leaves[name], jnp.asarray(leaf)):
      move = _move(spec, factors)
      if move.matrices:
        yield move, part


def _leaves(spec, params, leave):
  return {
    name: x
    for name, x in symmetry.fit(spec, params).items()
    if name not in leave and trees.is_floating(x)
  }


def _move(spec, factors):
  shapes = symmetry.shapes(spec)
  moving = [f.name in shapes for f in factors]
  k = len(factors)
  new = [k + i if moving[i] else i for i in range(k)]
  matrices, told = [], set()
  # The matrices of those within heads tell where the heads go, too.
  within = {
    i: _nested.outer(spec, factors[i].name) for i in range(k) if moving[i]
  }
  for i in sorted(within, key=lambda i: within[i] is None):
    name, outer = factors[i].name, within[i]
    if i in told:
      continue
    at = {o: nearest(factors, i, o) for o in spec.groups[name].over}
    axes = [at[o] for o in at if o != outer]
    if outer is not None:
      axes += [new[at[outer]], at[outer]]
      told.add(at[outer])
    matrices.append((name, (*axes, new[i], i)))
  return Move(tuple(range(k)), tuple(new), tuple(matrices))


def nearest(factors: Sequence[symmetry.Factor], i: int, over: str) -> int:
  """Returns the axis that tells the index `over` of the factor on axis i."""
  those = [k for k, f in enumerate(factors) if f.name == over]
  return min(those, key=lambda k: abs(k - i))


def rest(
  spec: symmetry.Spec,
  a: base.Params,
  b: base.Params,
  leave: Collection[str] = (),
) -> float:
  """Returns the inner product of the parts that no group moves."""
  pairs = []
  for name, x in _leaves(spec, a, leave).items():
    parts_of = lambda leaf, n=name: symmetry.blocks(spec.leaves[n], leaf)
    y = symmetry.fit(spec, b)[name]
    for (factors, one), (_, two) in zip(
      parts_of(np.asarray(x)), parts_of(np.asarray(y)), strict=True
    ):
      if not _move(spec, factors).matrices:
        pairs.append((one, two))
  wide = lambda x: x.astype(np.float64)
  return sum(float(np.vdot(wide(x), wide(y))) for x, y in pairs)


def moved(
  move: tuple[Move, ...], matrices: Matrices, xs: Sequence[jax.Array]
) -> list[jax.Array]:
  """Returns the parts multiplied with the matrices."""
  out = []
  for each, x in zip(move, xs, strict=True):
    arguments = [x, each.old]
    for name, axes in each.matrices:
      arguments += [jnp.asarray(matrices[name], x.dtype), axes]
    highest = jax.lax.Precision.HIGHEST
    out.append(
      jnp.einsum(*arguments, each.new, optimize='optimal', precision=highest)
    )
  return out


def degree(move: tuple[Move, ...]) -> int:
  """Returns the degree of the moved parts as polynomials in the matrices."""
  return max((len(each.matrices) for each in move), default=0)


def inner(a: Sequence[jax.Array], b: Sequence[jax.Array]) -> jax.Array:
  """Returns the inner product of two models taken apart, in float32."""
  highest = jax.lax.Precision.HIGHEST
  return sum(
    (
      jnp.vdot(x, y, precision=highest).astype(jnp.float32)
      for x, y in zip(a, b, strict=True)
    ),
    start=jnp.zeros((), jnp.float32),
  )


def pair_value(
  move: tuple[Move, ...],
  matrices: Matrices,
  data: tuple[list[jax.Array], list[jax.Array]],
) -> jax.Array:
  """Returns sum <a, P b>."""
  a, b = data
  return inner(a, moved(move, matrices, b))
