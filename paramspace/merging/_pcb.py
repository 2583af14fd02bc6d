"""Parameters that compete within their model, and between models (PCB)."""

import math

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _rounds
from paramspace.merging import _stack

# Where magnitudes are clipped, in the authors' two programs.
TAILS = {'paper': 0.0001, 'vision': 0.01}


@_config.recorded
def pcb(
  density: float = 0.1,
  scale: float | jax.Array = 1.0,
  version: str = 'paper',
  scope: str = 'global',
) -> base.Recipe:
  r"""theta = base + scale sum_i s_i w_i delta_i / sum_i s_i.

  With |delta_i| clipped at its tails, n_i = (|delta_i| - min) / (max - min), a
  parameter's score among n models is

    exp(n n_i^2) tanh(delta_i sum_j delta_j).

  The scores of a model above their (1 - density) quantile are moved to [0, 1],
  as n_i was, and are its s_i; those below are 0.

  Args:
    density: The fraction of positive s_i, in (0, 1).
    scale: lambda. The authors search from 0.8 to 2.2.
    version: Which of the authors' two programs: 'paper', pcb-merging.py, as
      above, clipped at 0.01%; or 'vision', pcb_ES.py, clipped at 1%, where the
      second factor is sum_j tanh(sgn(delta_i) n_i sgn(delta_j) n_j).
    scope: Over what are quantiles, least and largest: 'global', all
      parameters of a model, or 'leaf'.

  Returns:
    A recipe. The weights are the factors of tasks that 'vision' searches for,
    from 1.2.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(4)}
    >>> a = {'w': jnp.array([2.0, 1.0, 0.5, 0.1])}
    >>> b = {'w': jnp.array([1.0, -1.0, 1.5, 0.1])}
    >>> recipe = merging.pcb(density=0.5)
    >>> merged = merging.merge(base, {'a': a, 'b': b}, recipe)['w']
    >>> [round(x, 2) for x in merged.tolist()]
    [1.0, 0.0, 0.93, 0.0]

  Note: A score below 0, of a parameter against the sum, counts as 0 even where
    the quantile is negative. No s_i is positive where all scores of a model are
    equal, where the authors' code divides 0 by 0. 'vision' is written from its
    description; no output of it was at hand to compare.

  References:
    Du et al, 2024, Parameter Competition Balancing for Model Merging,
    https://arxiv.org/abs/2410.02396, Section 3.
  """
  if isinstance(density, bool) or not 0 < density < 1:
    raise ValueError(f'`density` must lie in (0, 1), got {density}.')
  _check.one_of('version', version, tuple(TAILS))
  _check.one_of('scope', scope, ('global', 'leaf'))
  tail = TAILS[version]
  magnitudes = _rounds.largest(
    {
      'high': lambda size: size - max(math.floor((1 - tail) * size), 1) + 1,
      'low': lambda size: size - max(math.floor(tail * size), 1) + 1,
    },
    lambda known, leaf: leaf.deltas,
  )
  score = lambda known, leaf: _score(known, leaf, version)
  # Both from counts: a maximum is fused with the score in another way, and then
  # differs from it in the last bit.
  scores = _rounds.largest(
    {
      'least': lambda size: min(math.floor(density * size) + 1, size),
      'most': lambda size: 1,
    },
    score,
  )

  def apply(known: dict, leaf: base.Leaf):
    least, most = (
      _stack.along(known[n], leaf.deltas) for n in ('least', 'most')
    )
    kept = jnp.maximum(score(known, leaf) - least, 0)
    kept = jax.lax.stop_gradient(_stack.ratio(kept, most - least))
    clipped = jnp.copysign(_clipped(known, leaf), leaf.deltas)
    weights = _stack.along(leaf.weights, leaf.deltas)
    merged = _stack.summed(_stack.rounded(weights * clipped * kept))
    return merged / jnp.maximum(_stack.summed(kept), 1e-12)

  combine = base.Combine(apply, (*magnitudes, *scores), kind=base.alike)
  combine = combine if scope == 'global' else _rounds.by_leaf(combine)
  return base.Recipe(combine, scale=scale)


def _clipped(known: dict, leaf: base.Leaf) -> jax.Array:
  """Returns |delta| between its tails, `[n, *s]`."""
  low, high = (_stack.along(known[n], leaf.deltas) for n in ('low', 'high'))
  return jnp.clip(jnp.abs(leaf.deltas), low, high)


def _score(known: dict, leaf: base.Leaf, version: str) -> jax.Array:
  """Returns the scores, 0 where they are negative, `[n, *s]`."""
  low, high = (_stack.along(known[n], leaf.deltas) for n in ('low', 'high'))
  size = _stack.ratio(_clipped(known, leaf) - low, high - low)
  within = jnp.exp(len(leaf.deltas) * size * size)
  if version == 'paper':
    between = jnp.tanh(leaf.deltas * _stack.summed(leaf.deltas)[None])
  else:
    signed = jnp.sign(leaf.deltas) * size
    between = sum(jnp.tanh(signed * other[None]) for other in signed)
  return jnp.maximum(within * between, 0)
