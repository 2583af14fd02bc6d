"""Stacked randomized Hadamard blocks."""

import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.reparam import _check
from paramspace.reparam import _scale
from paramspace.reparam import _tiles
from paramspace.reparam import _wht

GROUP = 32  # k, neighbours that the last transform mixes.
SMALL = 1 << 15  # Leaves below this size are transformed together.


class HadamardFrozen(NamedTuple):
  """The frozen draw.

  Attributes:
    signs: The diagonal of S_0, int8 `[d']`.
    tiles: The rolls and signs of every block.
  """

  signs: jax.Array
  tiles: _tiles.Tiles


def hadamard(dim: int, scale: str = 'isometric') -> base.Reparam:
  r"""theta = theta_0 + P z, P made of stacked randomized Hadamard blocks.

  With d' = 2^ceil(log2 d), block b of d' rows is

    P_b = (I (x) H_k) S_b H_d' S_0 / sqrt(k D),

  where S_0 is a diagonal of signs, S_b rolls the d' values and flips their
  signs, and the last transform mixes k = 32 neighbours. Every factor is
  orthogonal, so P^T P = I exactly; it is off by the rows that are cut where the
  size of a leaf is no multiple of k, and where D < d'. H_d' S_0 z is common to
  all blocks and costs nothing: the rest is one product of D/k x k with k x k
  numbers, each way.

  Args:
    dim: Number of trained coordinates, d.
    scale: 'isometric', P^T P = I, or 'rms', P^T P = (D/d) I.

  Returns:
    A nested `Reparam` with `z` of shape `[d]`, zero at the start. `frozen`
    holds at most one byte per parameter.

  Raises:
    ValueError: If `dim` is not positive or, in `init`, exceeds D.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.hadamard(dim=2)
    >>> params = {'w': jnp.ones((4, 4))}
    >>> z, frozen = rp.init(jax.random.key(0), params)
    >>> moved = rp.apply(params, jnp.array([3.0, 4.0]), frozen)['w'] - 1.0
    >>> round(float(jnp.linalg.norm(moved)), 5)
    5.0

  Note: Li et al use one long Fastfood transform, which costs O(D log D) and is
  orthonormal only in expectation. With k = d' the last transform would be that
  of the whole block; k = 32 keeps every property above at a tenth of the cost.

  References:
    Ailon and Chazelle, 2009, The Fast Johnson-Lindenstrauss Transform,
    https://doi.org/10.1137/060673096. Yu et al, 2016, Orthogonal Random
    Features, https://arxiv.org/abs/1610.09072.
  """
  _check.dim_positive(dim)
  _scale.check(scale)
  wide = 1 << (dim - 1).bit_length()  # d'
  group = min(GROUP, wide)  # k

  def groups(params: base.Params):
    leaves = trees.floating(params)
    return {n: (-(-x.size // group), group) for n, x in leaves.items()}

  def init(key: base.PRNGKey, params: base.Params):
    _check.fits(params, dim)
    first, rest = jax.random.split(key)
    signs = jax.random.rademacher(first, (wide,), jnp.int8)
    tiles = _tiles.draw(rest, groups(params), wide)
    return jnp.zeros(dim), HadamardFrozen(signs, tiles)

  def apply(params: base.Params, z: jax.Array, frozen: HadamardFrozen):
    _check.vector(z, dim)
    shapes, total = groups(params), _check.total(params)
    rows = sum(n * k for n, k in shapes.values())
    u = _wht.wht(jnp.pad(z, (0, wide - dim)) * frozen.signs.astype(z.dtype))
    counts = jnp.maximum(_tiles.uses(frozen.tiles, shapes, wide), 1)
    # rows / total makes up, on average, for the rows that are cut.
    norm = math.sqrt(rows / total / group / min(rows, wide))
    norm = norm * _scale.factor(scale, dim, total)
    u = u / jnp.sqrt(counts.astype(z.dtype)) * norm
    mixed = _mix(_tiles.spread(u, frozen.tiles, shapes))
    deltas = {
      name: mixed[name].ravel()[: x.size].reshape(x.shape)
      for name, x in trees.floating(params).items()
    }
    return trees.shift(params, deltas)

  return base.Reparam(init, apply, nested=True)


def _mix(leaves: dict[str, jax.Array]) -> dict[str, jax.Array]:
  """Transforms the rows of every leaf; the small leaves in one product."""
  small = [n for n, v in leaves.items() if v.size < SMALL]
  out = {n: _wht.wht(v) for n, v in leaves.items() if n not in small}
  if small:
    stack = _wht.wht(jnp.concatenate([leaves[n] for n in small]))
    ends = list(itertools.accumulate(len(leaves[n]) for n in small))
    out |= zip(small, jnp.split(stack, ends[:-1]), strict=True)
  return out
