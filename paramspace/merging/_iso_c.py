"""The sum of deltas with a flat spectrum (Iso-C)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _config
from paramspace.merging import _layout
from paramspace.merging import _polar
from paramspace.merging import _stack


@_config.recorded
def iso_c(
  scale: float | jax.Array = 1.0, stacked: Mapping[str, int] | None = None
) -> base.Recipe:
  r"""theta = base + scale mean(S) U V^T, U S V^T = sum_i w_i delta_i.

  The few directions that the sum is strong in, which are those of the dominant
  tasks, no longer outweigh the others. So for kernels; other leaves, and
  embeddings, are averaged: mean_i w_i delta_i.

  Args:
    scale: The authors take 1 to 1.5.
    stacked: As in `axes`; stacked kernels are merged layer by layer.

  Returns:
    A recipe. One model is not returned as it is: its spectrum becomes flat.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros((2, 2))}
    >>> tuned = {'a': {'w': jnp.diag(jnp.array([3.0, 1.0]))}}
    >>> merging.merge(base, tuned, merging.iso_c())['w'].round(3).tolist()
    [[2.0, 0.0], [0.0, 2.0]]

  References:
    Marczak et al, 2025, No Task Left Behind, https://arxiv.org/abs/2502.04959,
    Section 4.
  """

  def apply(known: dict, leaf: base.Leaf):
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    if not at.is_map:
      return _stack.total(leaf) / len(leaf.deltas)
    summed = _layout.matrices(_stack.total(leaf), at)  # [L, in, out]
    turned = _polar.factor(summed)
    # mean(S), as the trace of (U V^T)^T U S V^T.
    rank = min(summed.shape[1:])
    flat = jnp.sum(turned * summed, (1, 2), keepdims=True) / rank
    return _layout.restored(flat * turned, at, leaf.base.shape)

  return base.Recipe(base.Combine(apply), scale=scale)
