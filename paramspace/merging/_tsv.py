"""The leading singular vectors of each model, made orthogonal (TSV-M)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _config
from paramspace.merging import _layout
from paramspace.merging import _polar
from paramspace.merging import _stack
from paramspace.merging import _svd


@_config.recorded
def tsv(
  scale: float | jax.Array = 1.0, stacked: Mapping[str, int] | None = None
) -> base.Recipe:
  r"""theta = base + scale U S V^T, from singular vectors of n models.

  Of the delta of a kernel `[in, out]`, each model gives the min(in, out) / n
  leading singular triples, S times its weight. Side by side they are U, S, V of
  rank min(in, out), but the vectors of one model are not orthogonal to those
  of another, which is interference: U and V are replaced by the nearest
  matrices with orthogonal columns, their polar factors. Other leaves, and
  embeddings, are averaged: mean_i w_i delta_i.

  Args:
    scale: The authors search from 0 to 3.
    stacked: As in `axes`; stacked kernels are merged layer by layer.

  Returns:
    A recipe. One model is returned, to the accuracy of the decomposition.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros((2, 2))}
    >>> a = {'w': jnp.diag(jnp.array([3.0, 1.0]))}
    >>> b = {'w': jnp.diag(jnp.array([1.0, 2.0]))}
    >>> merging.merge(base, {'a': a, 'b': b}, merging.tsv())['w'].tolist()
    [[3.0, 0.0], [0.0, 2.0]]

  Note: Where there are more models than min(in, out), each gives one triple.

  References:
    Gargiulo et al, 2024, Task Singular Vectors,
    https://arxiv.org/abs/2412.00081, Section 4.
  """

  def apply(known: dict, leaf: base.Leaf):
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    if not at.is_map:
      return _stack.total(leaf) / len(leaf.deltas)
    d = jnp.stack([_layout.matrices(x, at) for x in leaf.deltas])
    merged = _interleaved(d, leaf.weights)
    return _layout.restored(merged, at, leaf.base.shape)

  return base.Recipe(base.Combine(apply), scale=scale)


def _interleaved(d: jax.Array, weights: jax.Array) -> jax.Array:
  """Returns U S V^T of deltas `[n, L, in, out]`."""
  k = max(min(d.shape[2:]) // len(d), 1)
  u, s, v = _svd.svd(jax.lax.stop_gradient(d))
  u, s, v = u[..., :k], s[..., :k], v[..., :k, :]
  s = _stack.along(weights, s) * s
  beside = lambda x, axis: jnp.concatenate([*x], axis)
  u, s, v = beside(u, -1), beside(s, -1), beside(v, -2)
  with jax.default_matmul_precision('highest'):
    return (_polar.factor(u) * s[:, None, :]) @ _polar.factor(v)
