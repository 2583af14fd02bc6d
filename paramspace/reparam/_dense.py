"""Dense Gaussian subspaces."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.reparam import _check
from paramspace.reparam import _scale


class DenseFrozen(NamedTuple):
  """The frozen draw.

  Attributes:
    basis: By leaf, the Gaussian columns, float32 `[d, D_l]`; flat, because
      XLA:CPU transposes a whole `[d, *s]` before its adjoint.
    norms: The norm of each column over all leaves, `[d]`.
  """

  basis: dict[str, jax.Array]
  norms: jax.Array


def dense(dim: int, scale: str = 'isometric') -> base.Reparam:
  r"""theta = theta_0 + P z, the entries of P Gaussian, its columns normalised.

  Args:
    dim: Number of trained coordinates, d.
    scale: 'isometric' for unit columns (Li et al), 'rms' for unit rows on
      average.

  Returns:
    A nested `Reparam` with `z` of shape `[d]`, zero at the start. `frozen`
    holds P, 4 d D bytes: forward and backward each read all of it.

  Raises:
    ValueError: If `dim` is not positive or, in `init`, exceeds D.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.dense(dim=3)
    >>> params = {'w': jnp.ones((2, 2))}
    >>> z, frozen = rp.init(jax.random.key(0), params)
    >>> moved = rp.apply(params, jnp.array([5.0, 0.0, 0.0]), frozen)['w'] - 1.0
    >>> round(float(jnp.linalg.norm(moved)), 5)
    5.0

  References:
    Li et al, 2018, Measuring the Intrinsic Dimension of Objective Landscapes,
    https://arxiv.org/abs/1804.08838, Eq. 2 and Section S7.
  """
  _check.dim_positive(dim)
  _scale.check(scale)

  def init(key: base.PRNGKey, params: base.Params):
    _check.fits(params, dim)

    def columns(name, x):  # Column j is a function of (key, name, j) alone.
      keys = jax.vmap(jax.random.fold_in, (None, 0))(
        trees.key_for(key, name), jnp.arange(dim)
      )
      return jax.vmap(lambda k: jax.random.normal(k, (x.size,)))(keys)

    basis = {n: columns(n, x) for n, x in trees.floating(params).items()}
    squares = sum((b**2).sum(axis=1) for b in basis.values())
    return jnp.zeros(dim), DenseFrozen(basis, jnp.sqrt(squares))

  def apply(params: base.Params, z: jax.Array, frozen: DenseFrozen):
    _check.vector(z, dim)
    z = z / frozen.norms * _scale.factor(scale, dim, _check.total(params))
    project = lambda b: jnp.matmul(z, b, precision='highest')
    deltas = {
      name: project(frozen.basis[name]).reshape(x.shape)
      for name, x in trees.floating(params).items()
    }
    return trees.shift(params, deltas)

  return base.Reparam(init, apply, nested=True)
