"""A delta times a number."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _prune


def scale(factor: float | jax.Array) -> _prune.Prune:
  r"""delta' = factor delta.

  Args:
    factor: A number; it may be traced, as one that is learned is.

  Returns:
    A prune.

  Raises:
    ValueError: If it is no scalar.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> deltas.scale(0.5)(jax.random.key(0), {'w': jnp.ones(2)})['w']
    Array([0.5, 0.5], dtype=float32)

  References:
    Ilharco et al, 2022, Editing Models with Task Arithmetic,
    https://arxiv.org/abs/2212.04089.
  """
  if jnp.shape(factor):
    raise ValueError(
      f'`factor` must be a scalar, got shape {jnp.shape(factor)}; use `mask` '
      'for one factor per entry.'
    )

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    wide = trees.widen(x)
    return (wide * jnp.asarray(factor).astype(wide.dtype)).astype(x.dtype)

  return _prune.Prune(apply, kind=base.alike)
