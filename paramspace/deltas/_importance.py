"""The entries of a delta that matter most to a loss."""

import dataclasses

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _check
from paramspace.deltas import _largest
from paramspace.deltas import _prune


def importance(
  weights: base.Params, density: float, scope: str = 'leaf', axis: int = -1
) -> _prune.Prune:
  r"""delta' = m delta, m = 1 for the largest w |delta|.

  With w = |gradient of the loss|, what is kept are the entries without which
  the loss changes most, to first order. With w = sqrt(F), F the diagonal of the
  Fisher information, they are those of the largest F delta^2: the same to
  second order.

  Args:
    weights: A tree of w, of the shapes of the delta. Under `jit`, make the
      prune within the jitted function, of an argument, or it is a constant.
    density: As in `trim`.
    scope: As in `trim`.
    axis: As in `trim`.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range or, when it is called, a leaf
      of `weights` is missing or has another shape.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'w': jnp.array([3.0, -4.0])}
    >>> prune = deltas.importance({'w': jnp.array([2.0, 1.0])}, density=0.5)
    >>> prune(jax.random.key(0), delta)['w']
    Array([3., 0.], dtype=float32)

  References:
    Deng et al, 2024, DARE the Extreme, https://arxiv.org/abs/2410.09344, which
    compares it with random drops.
  """
  _check.fraction('density', density)

  beside = trees.named(weights)

  def check(delta: base.Params):
    _check.like(weights, delta, 'importance: weights')

  def score(name: str, x: jax.Array):
    wide = beside[name].astype(jnp.float32)
    return wide * x.astype(jnp.float32)

  prune = _largest.kept(density, scope, 'floor', axis, score)
  return dataclasses.replace(prune, check=check)
