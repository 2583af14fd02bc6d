"""A flat spectrum with directions of each task (Iso-CTS)."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _layout
from paramspace.merging import _polar
from paramspace.merging import _stack
from paramspace.merging import _svd


@_config.recorded
def iso_cts(
  common: float = 0.8,
  scale: float | jax.Array = 1.0,
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""theta = base + scale mean(S) U V^T, of common and task-specific subspaces.

  The k leading singular triples of sum_i w_i delta_i are what the tasks have in
  common. Of the rest of each, with U_k the k left vectors,

    (1 - U_k U_k^T) w_i delta_i,

  the leading s = (r - k) / n triples are added, r = min(in, out) in all. U and
  V are replaced by the nearest matrices with orthogonal columns, S by its mean.
  So for kernels; other leaves, and embeddings, are averaged.

  Args:
    common: The fraction of r that is common, in [0, 1]; the authors take 0.8. k
      is what the tasks' equal shares leave, so it may be a little more or less;
      1 is `iso_c`.
    scale: The authors take 1 to 1.5.
    stacked: As in `axes`; stacked kernels are merged layer by layer.

  Returns:
    A recipe. One model is not returned as it is: its spectrum becomes flat.

  Raises:
    ValueError: If `common` is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros((2, 2))}
    >>> a = {'w': jnp.diag(jnp.array([4.0, 0.0]))}
    >>> b = {'w': jnp.diag(jnp.array([4.0, 2.0]))}
    >>> merged = merging.merge(base, {'a': a, 'b': b}, merging.iso_cts(1.0))
    >>> merged['w'].round(3).tolist()
    [[5.0, 0.0], [0.0, 5.0]]

  References:
    Marczak et al, 2025, No Task Left Behind, https://arxiv.org/abs/2502.04959,
    Section 4.3.
  """
  _check.fraction('common', common)

  def apply(known: dict, leaf: base.Leaf):
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    if not at.is_map:
      return _stack.total(leaf) / len(leaf.deltas)
    moved = _stack.along(leaf.weights, leaf.deltas) * leaf.deltas
    d = jnp.stack([_layout.matrices(x, at) for x in moved])  # [n, L, in, out]
    with jax.default_matmul_precision('highest'):
      return _layout.restored(_flat(d, common), at, leaf.base.shape)

  return base.Recipe(base.Combine(apply), scale=scale)


def _flat(d: jax.Array, common: float) -> jax.Array:
  """Returns mean(S) U V^T of weighted deltas `[n, L, in, out]`."""
  n, r = len(d), min(d.shape[2:])
  share = min(round((r - int(common * r)) / n), r // n)
  parts = [_leading(_stack.summed(d), r - share * n)]
  u = parts[0][0]
  for each in d if share else ():
    rest = each - u @ (jnp.matrix_transpose(u) @ each)
    parts.append(_leading(rest, share))
  u, s, v = (
    jnp.concatenate(x, axis)
    for x, axis in zip(zip(*parts, strict=True), (-1, -1, -2), strict=True)
  )
  flat = jnp.mean(s, -1)[:, None, None]
  return flat * (_polar.factor(u) @ _polar.factor(v))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _leading(x: jax.Array, k: int) -> tuple[jax.Array, ...]:
  """Returns the k leading singular triples of matrices `[L, in, out]`.

  Their gradient is that of the two spaces, up to one rotation within both, to
  which the merge is indifferent. So it is finite where singular values are
  equal; where those of the two sides of k are, it is taken to be 0.
  """
  u, s, v = _svd.svd(x)
  return u[..., :k], s[..., :k], v[..., :k, :]


@_leading.defjvp
def _leading_jvp(k: int, primals: tuple, tangents: tuple):
  (x,), (dx,) = primals, tangents
  u, s, v = _svd.svd(x)
  turn, first = jnp.matrix_transpose, slice(k)
  over = lambda y: jnp.where(y != 0, 1 / jnp.where(y != 0, y, 1), 0)
  with jax.default_matmul_precision('highest'):
    right, left = dx @ turn(v[..., first, :]), turn(u[..., first]) @ dx
    m, mt = turn(u) @ right, turn(left @ turn(v))  # [L, r, k]
    si, sj = s[..., :, None], s[..., None, first]
    inner = lax.broadcasted_iota(jnp.int32, m.shape, 1) < k
    gap = over(sj**2 - si**2)
    turned = jnp.where(
      inner, (m - mt) * over(si + sj), (sj * m + si * mt) * gap
    )
    swung = jnp.where(inner, 0, (si * m + sj * mt) * gap)
    du = u @ turned + (right - u @ m) * over(sj)
    dv = turn(swung) @ v + (left - turn(mt) @ v) * over(turn(sj))
    ds = jnp.diagonal(m[..., first, :], axis1=-2, axis2=-1)
  return (u[..., first], s[..., first], v[..., first, :]), (du, ds, dv)
