"""Random entries of a delta (DARE)."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _bits
from paramspace.deltas import _check
from paramspace.deltas import _prune

WORDS = 1 << 32  # Values of the random bits of an entry.


def drop(rate: float, rescale: str | float | None = 'inverse') -> _prune.Prune:
  r"""delta' = m delta / (1 - p), m ~ Bernoulli(1 - p): DARE.

  Every entry is dropped with probability p, on its own. Then E[delta'] = delta,
  and what a layer computes, y = (W + delta) x, is right on average, with

    Var[y'] = p / (1 - p) sum_j (delta_j x_j)^2.

  Args:
    rate: p, in [0, 1]. 0 gives the delta, 1 gives zeros. 1 - p is realised to
      2^-33.
    rescale: What survives is divided by: 'inverse', 1 - p; 'l1', the number
      that gives the leaf its L1 norm back, |m delta|_1 / |delta|_1; a number q
      in (0, 1]; or None, nothing.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> kept = deltas.drop(0.75)(jax.random.key(0), {'w': jnp.ones(8)})['w']
    >>> sorted(set(kept.tolist()))
    [0.0, 4.0]

  Note: mergekit calls `rescale='l1'` DARE. It is not unbiased, and in small
    leaves the scale is far from 1 / (1 - p). A q above 1 - p is DAREx-q.

  References:
    Yu et al, 2023, Language Models are Super Mario,
    https://arxiv.org/abs/2311.03099, Section 3. Deng et al, 2024, DARE the
    Extreme, https://arxiv.org/abs/2410.09344, for q.
  """
  _check.fraction('rate', rate)
  if rescale not in ('inverse', 'l1', None):
    _check.divisor('rescale', rescale)
  kept = round((1 - rate) * WORDS)  # Of the words, those that keep an entry.
  if rate < 1 and not kept:
    raise ValueError(f'`rate` is {rate}; nothing is left above 1 - 2^-33.')
  divisors = {'inverse': kept / WORDS, 'l1': 1.0, None: 1.0}

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    if not kept:
      return jnp.zeros_like(x)
    if kept == WORDS:
      return _divided(x, divisors.get(rescale, rescale))
    marked = _bits.below(key, x.shape, kept)
    if rescale == 'l1':
      return same_l1(x, jnp.where(marked, x, 0))
    return jnp.where(marked, _divided(x, divisors.get(rescale, rescale)), 0)

  return _prune.Prune(apply, kind=base.alike)


def same_l1(before: jax.Array, after: jax.Array) -> jax.Array:
  """Returns `after`, scaled so that its L1 norm is that of `before`."""
  norm, left = _l1_norms(before, after)
  scale = jnp.where(left > 0, norm / jnp.where(left > 0, left, 1), 1)
  return (trees.widen(after) * scale).astype(after.dtype)


def _l1_norms(a: jax.Array, b: jax.Array) -> list[jax.Array]:
  """Returns both L1 norms; in one pass, for what is not stored is made once."""
  pair = [jnp.abs(jax.lax.stop_gradient(trees.widen(x))) for x in (a, b)]
  if a.ndim > 1:
    none = jnp.zeros((), pair[0].dtype)
    both = lambda x, y: (x[0] + y[0], x[1] + y[1])
    pair = jax.lax.reduce(tuple(pair), (none, none), both, (a.ndim - 1,))
  return [jnp.sum(x) for x in pair]


def _divided(x: jax.Array, q: float) -> jax.Array:
  return x if q == 1 else (trees.widen(x) / q).astype(x.dtype)
