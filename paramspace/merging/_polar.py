"""The nearest matrix with orthonormal columns, and its gradient."""

import jax
import jax.numpy as jnp

from paramspace.merging import _svd


def factor(x: jax.Array) -> jax.Array:
  """Returns U V^T of matrices `[..., in, out]`, U S V^T = x: the polar factor.

  Its gradient is finite where singular values are equal, and that of the
  singular vectors is not; where they are 0, it is 0.
  """
  if x.shape[-2] < x.shape[-1]:
    return jnp.matrix_transpose(_tall(jnp.matrix_transpose(x)))
  return _tall(x)


@jax.custom_jvp
def _tall(x: jax.Array) -> jax.Array:
  u, _, v = _svd.svd(x)
  with jax.default_matmul_precision('highest'):
    return u @ v


@_tall.defjvp
def _tall_jvp(primals, tangents):
  (x,), (dx,) = primals, tangents
  u, s, v = _svd.svd(x)
  turn = jnp.matrix_transpose
  over = lambda y: jnp.where(y > 0, 1 / jnp.where(y > 0, y, 1), 0)
  with jax.default_matmul_precision('highest'):
    right = dx @ turn(v)
    within = turn(u) @ right
    # A rotation within the space of U, and what leaves it.
    rotation = (within - turn(within)) * over(s[..., None] + s[..., None, :])
    leaves = (right - u @ within) * over(s)[..., None, :]
    return u @ v, (u @ rotation + leaves) @ v
