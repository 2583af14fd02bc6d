"""Random entries of a delta, rescaled by numbers that were tuned (DAREx-q)."""

from typing import Any

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _drop
from paramspace.deltas import _prune


def drop_tuned(rate: float, q: Any) -> _prune.Prune:
  r"""delta' = m delta / q, m ~ Bernoulli(1 - p): DAREx-q.

  The mask is that of `drop`. With q = 1 - p it is `drop`, unbiased but, where p
  is large, of a variance that the model does not survive; a larger q trades one
  for the other. `tune_q_by_score` finds it with labels, `tune_q_by_change`
  without, and `analytic_q` from the means of inputs.

  Args:
    rate: p, in [0, 1].
    q: A number in (0, 1], which may be traced; or a tree of such, beside the
      delta: a scalar for a leaf, or an array that has the leaf's axes, some of
      length 1, such as one q for each output, `[1, out]`.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range or, when it is called, a leaf
      of `q` is missing or does not fit; names it.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> prune = deltas.drop_tuned(0.75, {'w': jnp.array([[0.5, 1.0]])})
    >>> kept = prune(jax.random.key(0), {'w': jnp.ones((8, 2))})['w']
    >>> [sorted(set(column.tolist())) for column in kept.T]
    [[0.0, 2.0], [0.0, 1.0]]

  References:
    Deng et al, 2024, DARE the Extreme, https://arxiv.org/abs/2410.09344,
    Section 4.
  """
  plain = _drop.drop(rate, None)
  single = jax.tree_util.all_leaves([q])
  beside = {} if single else trees.named(q)
  for name, value in [('`q`', q)] if single else beside.items():
    _check_divisor(name, value)

  def check(delta: base.Params):
    for name, x in {} if single else trees.floating(delta).items():
      _check_fits(beside, name, x)

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    wide = trees.widen(plain.apply(known, key, name, x))
    by = jnp.asarray(q if single else beside[name]).astype(wide.dtype)
    return (wide / by).astype(x.dtype)

  return _prune.Prune(apply, check=check)


def _check_divisor(name: str, value: Any) -> None:
  if isinstance(value, jax.core.Tracer) or not trees.is_floating(value):
    return  # Not known yet, or what a tree carries.
  if not bool(jnp.all((jnp.asarray(value) > 0) & (jnp.asarray(value) <= 1))):
    raise ValueError(f'`q` must lie in (0, 1], got {value} for {name}.')


def _check_fits(beside: dict[str, Any], name: str, x: jax.Array) -> None:
  if name not in beside:
    raise ValueError(
      f'drop_tuned: `q` has no leaf {name!r}; near misses: '
      f'{trees.nearest(name, list(beside))}.'
    )
  shape = jnp.shape(beside[name])
  fits = len(shape) == x.ndim and all(
    have in (1, want) for have, want in zip(shape, x.shape, strict=True)
  )
  if shape and not fits:
    raise ValueError(
      f'drop_tuned: `q` of leaf {name!r} of shape {list(x.shape)} should be a '
      f'scalar or have its axes, some of length 1; got shape {list(shape)}.'
    )
