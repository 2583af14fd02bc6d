"""Models merged one after another, without interference (OPCM)."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base as types
from paramspace import deltas
from paramspace import trees
from paramspace.merging import _layout
from paramspace.merging import _stack
from paramspace.merging import _svd


class OpcmState(NamedTuple):
  """What is kept of all models so far: one delta, and two numbers.

  Attributes:
    total: The sum of the projected deltas, by leaf name, float32 or wider.
    lengths: The sum of the norms of the deltas as they came.
    count: How many models there were.
  """

  total: dict[str, jax.Array]
  lengths: jax.Array
  count: jax.Array


class Continual(NamedTuple):
  """A merge of models that come one after another.

  Attributes:
    init: `(base) -> state`, whose size does not grow.
    update: `(base, tuned, state) -> state`.
    value: `(base, state) -> params`; the base before the first model.
  """

  init: Callable[[types.Params], OpcmState]
  update: Callable[[types.Params, types.Params, OpcmState], OpcmState]
  value: Callable[[types.Params, OpcmState], types.Params]


def opcm(
  alpha: float = 0.5, stacked: Mapping[str, int] | None = None
) -> Continual:
  r"""Orthogonal projection: each delta leaves the space of the sum alone.

  With U S V^T the sum T of a kernel so far, and r the number of leading
  singular values whose share of all is at most alpha, a new delta loses what it
  has in those r directions, and on the diagonal of the others:

    P = U^T delta V,  P_jk = 0 for j, k < r,  P_jj = 0,  T <- T + U P V^T.

  To other leaves it is added. The whole delta is then given the mean norm of
  those that came, theta = base + T mean_i |delta_i| / |T|. The result depends
  on the order.

  Args:
    alpha: In [0, 1). More protects more of what is there.
    stacked: As in `axes`; stacked kernels are projected layer by layer.

  Returns:
    A triple of functions that go through `jit` and `scan`.

  Raises:
    ValueError: If alpha is out of its range or, in `update`, the model is not
      like the base.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros((2, 2))}
    >>> a, b = {'w': jnp.diag(jnp.array([2.0, 0.0]))}, {'w': jnp.eye(2)}
    >>> method = merging.opcm()
    >>> state = method.update(base, a, method.init(base))
    >>> method.value(base, state)['w'].tolist()
    [[2.0, 0.0], [0.0, 0.0]]

  Note: The authors' code takes full bases of singular vectors, `[in, in]` and
    `[out, out]`; what is removed needs only the thin ones. With alpha = 1 it
    protects nothing, which we refuse.

  References:
    Tang et al, 2025, Merging Models on the Fly Without Retraining,
    https://arxiv.org/abs/2501.09522, Section 4.
  """
  if isinstance(alpha, bool) or not 0 <= alpha < 1:
    raise ValueError(f'`alpha` must lie in [0, 1), got {alpha}.')

  def init(base: types.Params) -> OpcmState:
    leaves = _leaves(base)
    zeros = {n: jnp.zeros_like(trees.widen(x)) for n, x in leaves.items()}
    return OpcmState(
      zeros, jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32)
    )

  def update(
    base: types.Params, tuned: types.Params, state: OpcmState
  ) -> OpcmState:
    delta = _leaves(deltas.subtract(tuned, base))
    total = {}
    for name, before in state.total.items():
      at = _layout.axes(name, before.shape, stacked)
      moved = delta[name]
      if at.is_map:
        pair = (_layout.matrices(x, at) for x in (before, moved))
        moved = jax.vmap(_projected, (0, 0, None))(*pair, alpha)
        moved = _layout.restored(moved, at, before.shape)
      total[name] = before + moved
    lengths = state.lengths + _norm(delta)
    return OpcmState(total, lengths, state.count + 1)

  def value(base: types.Params, state: OpcmState) -> types.Params:
    count = jnp.maximum(state.count, 1).astype(jnp.float32)
    scale = _stack.ratio(state.lengths / count, _norm(state.total))
    return trees.replace(base, deltas.add(_leaves(base), state.total, scale))

  return Continual(init, update, value)


def _leaves(params: types.Params) -> dict[str, jax.Array]:
  return {n: jnp.asarray(x) for n, x in trees.floating(params).items()}


def _norm(leaves: Mapping[str, jax.Array]) -> jax.Array:
  squares = [jnp.sum(x * x).astype(jnp.float32) for x in leaves.values()]
  return jnp.sqrt(sum(squares))


def _projected(total: jax.Array, delta: jax.Array, alpha: float) -> jax.Array:
  """Returns a delta without what it has in the directions of the sum."""
  u, s, v = _svd.svd(total)
  shares = _stack.ratio(jnp.cumsum(s), jnp.broadcast_to(jnp.sum(s), s.shape))
  # Where there is no sum yet, its singular vectors mean nothing.
  strong = (shares <= alpha) & (s[0] > 0)
  with jax.default_matmul_precision('highest'):
    p = u.T @ delta @ v.T  # [r, r]
    both = strong[:, None] & strong[None, :]
    removed = both | (jnp.eye(len(s), dtype=bool) & (s[0] > 0))
    return delta - u @ jnp.where(removed, p, 0) @ v
