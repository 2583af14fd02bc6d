"""Deltas weighed by how magnitudes and directions changed (WIDEN)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _layout
from paramspace.merging import _stack


@_config.recorded
def widen(
  above: float = 1.0,
  full: float = 1.0,
  scale: float | jax.Array = 1.0,
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""theta = base + scale sum_i w_i s_i delta_i.

  A kernel's weights that leave one input, and a row of an embedding, are a
  vector, of which a model changed the magnitude and the direction:

    a = ||theta_i| - |base||,  b = 1 - cos(theta_i, base).

  Each is ranked within its model, from 0 to 1. The softmax of the ranks over
  the models is a score, `full` where the rank exceeds `above` times the mean
  rank of its model; s_i is the mean of the two scores. In a vector, and what
  has no inputs, |delta_i| is ranked, entry by entry.

  Args:
    above: The factor of the mean rank, t of the paper.
    full: The score of what is above, s of the paper.
    scale: The factor of the merged delta.
    stacked: As in `axes`.

  Returns:
    A recipe. The s_i of the models may sum to more than 1.

  Raises:
    ValueError: If an argument is negative.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> a, b = {'w': jnp.array([1.0, 2.0])}, {'w': jnp.array([4.0, 2.0])}
    >>> merged = merging.merge(base, {'a': a, 'b': b}, merging.widen())['w']
    >>> [round(x, 3) for x in merged.tolist()]
    [4.378, 2.755]

  Note: Of vectors that are zero, in both or in one, b is 0 or 1/2; there the
    authors' code divides by 0. Convolutions, which it refuses, are kernels
    here.

  References:
    Yu et al, 2024, Extend Model Merging from Fine-Tuned to Pre-Trained Large
    Language Models via Weight Disentanglement,
    https://arxiv.org/abs/2408.03092, Section 3.
  """
  _check.not_negative('above', above)
  _check.not_negative('full', full)

  def score(changes: jax.Array) -> jax.Array:
    ranks = _ranks(changes)  # [n, L, in], from 0.
    size = ranks.shape[-1]
    shares = jax.nn.softmax(ranks / size, 0)
    return jnp.where(ranks > above * (size - 1) / 2, full, shares)

  def apply(known: dict, leaf: base.Leaf):
    deltas = leaf.deltas
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    if at.kind == 'vector':
      layers = (*deltas.shape[: at.stack + 1], -1)
      shares = score(jnp.abs(deltas).reshape(layers)).reshape(deltas.shape)
    else:
      before = _layout.matrices(leaf.base, at)[None]
      after = before + jnp.stack([_layout.matrices(d, at) for d in deltas])
      magnitude, direction = _changes(before, after)
      shares = (score(magnitude) + score(direction))[..., None] / 2
      shares = jnp.broadcast_to(shares, after.shape)
      back = lambda x: _layout.restored(x, at, leaf.base.shape)
      shares = jnp.stack([back(x) for x in shares])
    weights = _stack.along(leaf.weights, deltas)
    return _stack.summed(weights * jax.lax.stop_gradient(shares) * deltas)

  return base.Recipe(base.Combine(apply), scale=scale)


def _changes(
  before: jax.Array, after: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Returns how magnitudes and directions changed, `[n, L, in]`."""
  length = lambda x: jnp.sqrt(jnp.sum(x * x, -1))
  unit = lambda x: x / jnp.where(length(x) > 0, length(x), 1)[..., None]
  apart = unit(after) - unit(before)
  return jnp.abs(length(after) - length(before)), jnp.sum(apart**2, -1) / 2


def _ranks(x: jax.Array) -> jax.Array:
  """Returns the rank along the last axis, 0 the smallest."""
  order = jnp.argsort(x, -1)  # Stable: of equal ones, the first is the lower.
  return jnp.argsort(order, -1).astype(x.dtype)
