"""Random entries dropped, before deltas are summed or elect signs (DARE)."""

import jax

from paramspace import base
from paramspace import deltas
from paramspace.merging import _config
from paramspace.merging import _consensus
from paramspace.merging import _stack


@_config.recorded
def dare_linear(
  rate: float = 0.9,
  scale: float | jax.Array = 1.0,
  rescale: str | float | None = 'inverse',
) -> base.Recipe:
  r"""theta = base + scale sum_i w_i m_i delta_i / (1 - p).

  Every entry of every delta is dropped with probability p, on its own, so that
  the expectation is that of `task_arithmetic`.

  Args:
    rate: p, in [0, 1].
    scale: The factor of the sum.
    rescale: As in `deltas.drop`. 'l1' is what mergekit calls DARE.

  Returns:
    A recipe, which draws.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import merging
    >>> base, tuned = {'w': jnp.zeros(8)}, {'a': {'w': jnp.ones(8)}}
    >>> recipe = merging.dare_linear(rate=0.5)
    >>> merged = merging.merge(base, tuned, recipe, key=jax.random.key(0))
    >>> sorted(set(merged['w'].tolist()))
    [0.0, 2.0]

  References:
    Yu et al, 2023, Language Models are Super Mario,
    https://arxiv.org/abs/2311.03099, Section 3.
  """
  combine = base.Combine(
    lambda known, leaf: _stack.total(leaf), kind=base.alike
  )
  return base.Recipe(combine, deltas.drop(rate, rescale), scale)


@_config.recorded
def dare_ties(
  rate: float = 0.9,
  density: float = 1.0,
  scale: float | jax.Array = 1.0,
  reduce: str = 'mean',
  scope: str | None = None,
  compat: str = 'paper',
  sign: str = 'total',
  rescale: str | float | None = 'inverse',
) -> base.Recipe:
  r"""theta = base + scale tau, tau the disjoint mean of what DARE leaves.

  `ties`, of deltas of which entries were dropped at random first.

  Args:
    rate: p, in [0, 1].
    density: What TIES keeps of what is left, as a fraction of all entries. The
      authors trim again, to 0.2, where a rate above 0.8 leaves less than that;
      mergekit and PEFT do not trim, which is 1.
    scale: As in `ties`.
    reduce: As in `ties`; mergekit's is 'sum'.
    scope: As in `ties`.
    compat: As in `ties`, of the election.
    sign: As in `ties`.
    rescale: As in `deltas.drop`; mergekit's is 'l1'.

  Returns:
    A recipe, which draws.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import merging
    >>> base, tuned = {'w': jnp.zeros(8)}, {'a': {'w': jnp.ones(8)}}
    >>> recipe = merging.dare_ties(rate=0.75)
    >>> merged = merging.merge(base, tuned, recipe, key=jax.random.key(0))
    >>> sorted(set(merged['w'].tolist()))
    [0.0, 4.0]

  References:
    Yu et al, 2023, Language Models are Super Mario,
    https://arxiv.org/abs/2311.03099. Yadav et al, 2023, TIES-Merging,
    https://arxiv.org/abs/2306.01708.
  """
  combine = _consensus.consensus(reduce, scope, compat, sign)
  prune = deltas.drop(rate, rescale)
  if density < 1:
    scope = scope or ('global' if compat == 'paper' else 'leaf')
    prune = deltas.chain(prune, deltas.trim(density, scope=scope))
  return base.Recipe(combine, prune, scale)
