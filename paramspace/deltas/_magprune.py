"""Random entries of a delta, small ones sooner (DELLA)."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _bits
from paramspace.deltas import _check
from paramspace.deltas import _drop
from paramspace.deltas import _prune
from paramspace.deltas import _ranks
from paramspace.deltas import _rows
from paramspace.deltas import _select

DRAWS = 1 << 24  # float32 holds every multiple of 1 / DRAWS in [0, 1].


def magprune(
  density: float,
  window: float,
  rescale: str | None = 'prob',
  axis: int = -1,
) -> _prune.Prune:
  r"""delta' = m delta / p, m ~ Bernoulli(p), p rising with the rank: DELLA.

  In a row of n entries, that of rank r by magnitude, 1 the smallest, is kept
  with probability

    p_r = density - window / 2 + window (r - 1) / (n - 1),

  whose mean is the density, and is divided by it: E[delta'] = delta. Entries of
  equal magnitude are ranked as they come. A row of one is kept with the
  density.

  Args:
    density: The expected fraction that is kept, in [0, 1]. 0 gives zeros, 1 the
      delta, whatever the window.
    window: The width of the probabilities, which must stay in (0, 1].
    rescale: What survives is divided by: 'prob', its probability; 'l1', the
      number that gives the leaf its L1 norm back; or None, nothing.
    axis: The axis that a row lies along, from the last; as in `trim`.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'w': jnp.array([0.001, 1.0])}
    >>> prune = jax.jit(deltas.magprune(0.5, window=0.98))
    >>> prune(jax.random.key(0), delta)['w'].round(2)
    Array([0.  , 1.01], dtype=float32)

  Note: The authors' code takes rows of PyTorch's `[out, in]`, the inputs of one
    output, which is `axis=-2` of a Flax kernel. `rescale='l1'` is mergekit's.

  References:
    Deep et al, 2024, DELLA-Merging, https://arxiv.org/abs/2406.11617, Section
    3.1.
  """
  _check.fraction('density', density)
  _check.one_of('rescale', rescale, ('prob', 'l1', None))
  _check.axis(axis)
  least, most = density - window / 2, density + window / 2
  exact = density in (0, 1)
  if window < 0 or not (exact or (least > 0 and most <= 1)):
    raise ValueError(
      f'`window` {window} around `density` {density} gives probabilities from '
      f'{least:.3g} to {most:.3g}; they must lie in (0, 1].'
    )

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    if exact:
      return x if density else jnp.zeros_like(x)
    ranks = _rows.put(_ranks.ranks(_rows.take(_select.bits(x), axis)), axis)
    n = x.shape[max(axis, -x.ndim)] if x.ndim else 1
    slope = window / max(n - 1, 1)
    start = least if n > 1 else density
    odds = jnp.round((start + slope * ranks.astype(jnp.float32)) * DRAWS)
    odds = jnp.clip(odds, 1, DRAWS)
    drawn = (_bits.draw(key, x.shape) >> 8).astype(jnp.float32)
    kept = jnp.where(drawn < odds, x, 0)
    if rescale == 'l1':
      return _drop.same_l1(x, kept)
    if rescale == 'prob':
      wide = trees.widen(kept)
      return (wide * (DRAWS / odds).astype(wide.dtype)).astype(x.dtype)
    return kept

  return _prune.Prune(apply, kind=base.alike)
