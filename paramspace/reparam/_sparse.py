"""Very sparse random subspaces."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.reparam import _check
from paramspace.reparam import _scale


class SparseFrozen(NamedTuple):
  """The frozen draw.

  Attributes:
    index: By leaf, where the m non-zeros of each column stand, int32 `[d, m]`.
    signs: By leaf, their signs, int8 of +-1 `[d, m]`.
  """

  index: dict[str, jax.Array]
  signs: dict[str, jax.Array]


def sparse(dim: int, scale: str = 'isometric') -> base.Reparam:
  r"""theta = theta_0 + P z, a share of 1/sqrt(D_l) of P's entries non-zero.

  In a leaf of D_l weights each column has m_l = round(sqrt(D_l)) entries +-c,
  c = 1/sqrt(sum_l m_l), one in each of m_l equal stretches of the leaf.

  Args:
    dim: Number of trained coordinates, d.
    scale: 'isometric' for unit columns (Li et al), 'rms' for unit rows on
      average.

  Returns:
    A nested `Reparam` with `z` of shape `[d]`, zero at the start. `frozen`
    holds five bytes per non-zero entry, 5 d sum_l sqrt(D_l).

  Raises:
    ValueError: If `dim` is not positive or, in `init`, exceeds D.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.sparse(dim=3)
    >>> params = {'w': jnp.zeros((4, 4))}
    >>> z, frozen = rp.init(jax.random.key(0), params)
    >>> moved = rp.apply(params, jnp.array([1.0, 0.0, 0.0]), frozen)['w']
    >>> int((moved != 0).sum()), float((moved**2).sum())
    (4, 1.0)

  Note: Li et al draw the number of non-zeros of a column at random; here it is
  its mean, so that shapes are static and columns have exactly unit norm.

  References:
    Li, Hastie and Church, 2006, Very Sparse Random Projections,
    https://doi.org/10.1145/1150402.1150436. Li et al, 2018,
    https://arxiv.org/abs/1804.08838, Section S7.
  """
  _check.dim_positive(dim)
  _scale.check(scale)

  def init(key: base.PRNGKey, params: base.Params):
    _check.fits(params, dim)

    def column(key, size):
      m = _nonzeros(size)
      place, sign = jax.random.split(key)
      ends = jnp.asarray([i * size // m for i in range(m + 1)], jnp.int32)
      index = jax.random.randint(place, (m,), ends[:-1], ends[1:])
      return index, jax.random.rademacher(sign, (m,), jnp.int8)

    def columns(name, x):
      keys = jax.vmap(jax.random.fold_in, (None, 0))(
        trees.key_for(key, name), jnp.arange(dim)
      )
      return jax.vmap(lambda k: column(k, x.size))(keys)

    drawn = {n: columns(n, x) for n, x in trees.floating(params).items()}
    index, signs = ({n: d[i] for n, d in drawn.items()} for i in range(2))
    return jnp.zeros(dim), SparseFrozen(index, signs)

  def apply(params: base.Params, z: jax.Array, frozen: SparseFrozen):
    _check.vector(z, dim)
    leaves = trees.floating(params)
    norm = math.sqrt(sum(_nonzeros(x.size) for x in leaves.values()))
    z = z / norm * _scale.factor(scale, dim, _check.total(params))

    def project(name, x):
      values = frozen.signs[name].astype(z.dtype) * z[:, None]  # [d, m]
      zero = jnp.zeros(x.size, z.dtype)
      at = frozen.index[name]
      return zero.at[at].add(values, mode='promise_in_bounds').reshape(x.shape)

    return trees.shift(params, {n: project(n, x) for n, x in leaves.items()})

  return base.Reparam(init, apply, nested=True)


def _nonzeros(size: int) -> int:
  return max(1, round(math.sqrt(size))) if size else 0
