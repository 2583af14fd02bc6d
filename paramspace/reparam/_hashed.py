"""Balanced hashing of the weights into `d` shared values."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.reparam import _check
from paramspace.reparam import _scale
from paramspace.reparam import _tiles


def hashed(dim: int, scale: str = 'isometric') -> base.Reparam:
  r"""theta_i = theta_0,i + s_i z_h(i) / sqrt(n_h(i)): shared, signed values.

  P has one entry +-1/sqrt(n_j) in each row, and n_j, the number of weights on
  coordinate j, is floor(D/d) or ceil(D/d): P^T P = I exactly. It is the
  cheapest projection there is: forward a broadcast, backward a sum.

  Args:
    dim: Number of trained coordinates, d.
    scale: 'isometric', P^T P = I, or 'rms', P^T P = (D/d) I.

  Returns:
    A `Reparam` with `z` of shape `[d]`, zero at the start. `frozen` holds at
    most one byte per parameter.

  Raises:
    ValueError: If `dim` is not positive or, in `init`, exceeds D.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.hashed(dim=2)
    >>> params = {'w': jnp.ones((2, 2))}
    >>> z, frozen = rp.init(jax.random.key(0), params)
    >>> moved = rp.apply(params, jnp.array([3.0, 0.0]), frozen)['w'] - 1.0
    >>> round(float((moved**2).sum()), 5)  # |P z|^2 = |z|^2
    9.0

  Note: the buckets follow rolled tiles (see `_tiles`), not the shuffle of
  Uni-LoRA; the signs, which Uni-LoRA lacks, are random. Not nested: the weights
  of a masked coordinate would not be trained at all, so each d is a program of
  its own.

  References:
    Chen et al, 2015, Compressing Neural Networks with the Hashing Trick,
    https://arxiv.org/abs/1504.04788. Li et al, 2025, Uni-LoRA,
    https://arxiv.org/abs/2506.00799.
  """
  _check.dim_positive(dim)
  _scale.check(scale)

  def shapes(params: base.Params):
    return {name: x.shape for name, x in trees.floating(params).items()}

  def init(key: base.PRNGKey, params: base.Params):
    _check.fits(params, dim)
    return jnp.zeros(dim), _tiles.draw(key, shapes(params), dim)

  def apply(params: base.Params, z: jax.Array, frozen: _tiles.Tiles):
    _check.vector(z, dim)
    counts = _tiles.uses(frozen, shapes(params), dim).astype(z.dtype)
    total = _check.total(params)
    z = z / jnp.sqrt(counts) * _scale.factor(scale, dim, total)
    return trees.shift(params, _tiles.spread(z, frozen, shapes(params)))

  return base.Reparam(init, apply)
