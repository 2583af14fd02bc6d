"""Fastfood: one long structured Gaussian transform."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.reparam import _check
from paramspace.reparam import _linear
from paramspace.reparam import _scale
from paramspace.reparam import _wht


class FastfoodFrozen(NamedTuple):
  """The frozen draw, L = 2^ceil(log2 D).

  Attributes:
    signs: The first d' entries of the diagonal B, int8 of +-1.
    index: The permutation Pi, int32 `[L]`.
    inverse: Its inverse, int32 `[L]`.
    gains: The diagonal of G, standard normal, `[L]`.
  """

  signs: jax.Array
  index: jax.Array
  inverse: jax.Array
  gains: jax.Array


def fastfood(dim: int, scale: str = 'isometric') -> base.Reparam:
  r"""theta = theta_0 + P z with Li's global Fastfood projection.

    P z = [H G Pi H B pad_L(z)]_{1..D} / (sqrt(L sum_i G_i^2) sqrt(D / L)),

  H the Hadamard matrix of size L = 2^ceil(log2 D), B random signs, Pi a
  permutation, G a Gaussian diagonal. The rows are handed to the leaves in the
  order of the tree. As only d inputs differ from zero, the inner transform is a
  small one, repeated: H_L pad(B z) = tile(H_d' B z), d' = 2^ceil(log2 d).

  Args:
    dim: Number of trained coordinates, d.
    scale: 'isometric' for unit columns (Li et al), 'rms' for unit rows; both
      hold exactly if D = L, and on average over the D rows otherwise.

  Returns:
    A nested `Reparam` with `z` of shape `[d]`, zero at the start. `frozen`
    holds 12 L bytes.

  Raises:
    ValueError: If `dim` is not positive or, in `init`, exceeds D.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.fastfood(dim=3)
    >>> params = {'w': jnp.ones((4, 4))}
    >>> z, frozen = rp.init(jax.random.key(0), params)
    >>> moved = rp.apply(params, jnp.array([5.0, 0.0, 0.0]), frozen)['w'] - 1.0
    >>> round(float(jnp.linalg.norm(moved)), 5)
    5.0

  Note: the vector is one for the whole tree, by definition, so the projection
  of a leaf changes when another leaf is added.

  References:
    Le, Sarlos and Smola, 2013, Fastfood, https://arxiv.org/abs/1408.3060.
    Li et al, 2018, https://arxiv.org/abs/1804.08838, Section S7.
  """
  _check.dim_positive(dim)
  _scale.check(scale)
  wide = 1 << (dim - 1).bit_length()  # d'

  def init(key: base.PRNGKey, params: base.Params):
    _check.fits(params, dim)
    length = 1 << (_check.total(params) - 1).bit_length()  # L
    b, pi, g = jax.random.split(key, 3)
    index = jax.random.permutation(pi, length).astype(jnp.int32)
    frozen = FastfoodFrozen(
      signs=jax.random.rademacher(b, (wide,), jnp.int8),
      index=index,
      inverse=jnp.argsort(index).astype(jnp.int32),
      gains=jax.random.normal(g, (length,), jnp.float32),
    )
    return jnp.zeros(dim), frozen

  def apply(params: base.Params, z: jax.Array, frozen: FastfoodFrozen):
    _check.vector(z, dim)
    total = _check.total(params)
    gains = frozen.gains
    norm = jnp.sqrt(jnp.sum(gains**2) * total)
    u = _wht.wht(jnp.pad(z, (0, wide - dim)) * frozen.signs.astype(z.dtype))
    u = u * (_scale.factor(scale, dim, total) / norm)
    x = _wht.wht(gains * _tile_and_permute(u, frozen))
    leaves = trees.floating(params)
    starts = itertools.accumulate((x.size for x in leaves.values()), initial=0)
    deltas = {
      name: x[start : start + leaf.size].reshape(leaf.shape)
      for (name, leaf), start in zip(leaves.items(), starts, strict=False)
    }
    return trees.shift(params, deltas)

  return base.Reparam(init, apply, nested=True)


def _tile_and_permute(u: jax.Array, frozen: FastfoodFrozen) -> jax.Array:
  """Returns Pi tile(u), `[L]`."""

  def transpose(g):
    tiles = g[frozen.inverse].reshape(-1, u.size)
    return jnp.ones(len(tiles), g.dtype) @ tiles

  return _linear.linear(lambda u: u[frozen.index & (u.size - 1)], transpose, u)
