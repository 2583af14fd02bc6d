"""The leading singular directions of a delta."""

import jax
import jax.numpy as jnp
from jax import lax

from paramspace import base
from paramspace import trees
from paramspace.deltas import _prune


def low_rank(rank: int) -> _prune.Prune:
  r"""delta' = U_r U_r^T delta, U_r the r leading left singular vectors.

  It is the nearest matrix of rank r. Leaves that are no matrices, biases and
  convolutions among them, are kept as they are; so are those whose smaller side
  is r or less.

  Args:
    rank: r, 0 or more; 0 gives zeros.

  Returns:
    A prune.

  Raises:
    ValueError: If the rank is negative or no integer.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'w': jnp.diag(jnp.array([3.0, 1.0]))}
    >>> deltas.low_rank(1)(jax.random.key(0), delta)['w'].tolist()
    [[3.0, 0.0], [0.0, 0.0]]

  References:
    Eckart and Young, 1936, https://doi.org/10.1007/BF02288367.
  """
  if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
    raise ValueError(f'`rank` must be an integer of 0 or more, got {rank}.')

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    if x.ndim != 2 or min(x.shape) <= rank:
      return x
    if not rank:
      return jnp.zeros_like(x)
    wide = trees.widen(x)
    # As a constant projection it has a gradient where singular values are
    # equal, and that of the singular vectors is not finite.
    u, _, _ = jnp.linalg.svd(lax.stop_gradient(wide), full_matrices=False)
    u = u[:, :rank]
    product = lambda a, b: jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
    return product(u, product(u.T, wide)).astype(x.dtype)

  return _prune.Prune(apply)
