"""Entries of a delta that are given."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _check
from paramspace.deltas import _prune


def mask(masks: base.Params) -> _prune.Prune:
  r"""delta' = m delta.

  Args:
    masks: A tree of booleans, of the shapes of the delta; or of numbers, each a
      factor. Under `jit`, make the prune within the jitted function, of an
      argument, or they are constants.

  Returns:
    A prune.

  Raises:
    ValueError: When it is called, if a leaf is missing or has another shape.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> grafted = deltas.mask({'w': jnp.array([True, False])})
    >>> grafted(jax.random.key(0), {'w': jnp.array([2.0, 3.0])})['w']
    Array([2., 0.], dtype=float32)

  References:
    Panigrahi et al, 2023, Task-Specific Skill Localization,
    https://arxiv.org/abs/2302.06600, whose grafting it is.
  """
  beside = trees.named(masks)

  def check(delta: base.Params):
    _check.like(masks, delta, 'mask')

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    m = jnp.asarray(beside[name])
    if m.dtype == jnp.bool:
      return jnp.where(m, x, 0)
    wide = trees.widen(x)
    return (wide * m.astype(wide.dtype)).astype(x.dtype)

  return _prune.Prune(apply, check=check)
