"""Deltas without outliers and without small entries, summed or elected."""

from collections.abc import Mapping

import jax

from paramspace import base
from paramspace import deltas
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _consensus
from paramspace.merging import _rows
from paramspace.merging import _stack


@_config.recorded
def breadcrumbs(
  density: float = 0.15,
  gamma: float = 0.006,
  scale: float | jax.Array = 0.2,
  compat: str = 'paper',
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""theta = base + scale sum_i w_i m_i delta_i.

  m_i leaves the fraction gamma of the largest entries out, and keeps the
  fraction `density` that is largest of the others (`deltas.breadcrumbs`).

  Args:
    density: The paper's beta, in [0, 1].
    gamma: The fraction of outliers, in [0, 1).
    scale: The paper's alpha.
    compat: 'paper', along the rows of PyTorch's `[out, in]`, the inputs of one
      output, or 'mergekit', over a whole leaf, with its rules for small ones.
    stacked: As in `axes`.

  Returns:
    A recipe. The defaults are the authors' seeds of their search.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(4)}
    >>> tuned = {'a': {'w': jnp.array([3.0, -9.0, 1.0, 4.0])}}
    >>> recipe = merging.breadcrumbs(density=0.5, gamma=0.25, scale=1.0)
    >>> merging.merge(base, tuned, recipe)['w']
    Array([3., 0., 0., 4.], dtype=float32)

  Note: The authors' code takes the last axis of any tensor, which is the width
    of a kernel in PyTorch's convolutions; here it is the inputs.

  References:
    Davari and Belilovsky, 2023, Model Breadcrumbs,
    https://arxiv.org/abs/2312.06795, Section 3.
  """
  combine = base.Combine(
    lambda known, leaf: _stack.total(leaf), kind=base.alike
  )
  prune = _pruned(density, gamma, compat, stacked)
  return base.Recipe(combine, prune, scale, draws=False)


@_config.recorded
def breadcrumbs_ties(
  density: float = 0.15,
  gamma: float = 0.006,
  scale: float | jax.Array = 1.0,
  reduce: str = 'sum',
  compat: str = 'mergekit',
  sign: str = 'total',
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""theta = base + scale tau, tau the sum of what agrees of m_i delta_i.

  m_i is that of `breadcrumbs`. Then signs are elected, as in `ties`.

  Args:
    density: As in `breadcrumbs`.
    gamma: As in `breadcrumbs`.
    scale: lambda.
    reduce: As in `ties`; mergekit's is 'sum'.
    compat: 'mergekit', whose name it is: its outliers, over a whole leaf, and
      its election; or 'paper', the rows of `breadcrumbs` and the election of
      `ties`, leaf by leaf.
    sign: As in `ties`.
    stacked: As in `axes`.

  Returns:
    A recipe.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(4)}
    >>> a = {'w': jnp.array([3.0, -9.0, 1.0, 4.0])}
    >>> b = {'w': jnp.array([-5.0, 2.0, 9.0, 4.0])}
    >>> recipe = merging.breadcrumbs_ties(density=0.5, gamma=0.25)
    >>> merging.merge(base, {'a': a, 'b': b}, recipe)['w']
    Array([-5.,  0.,  0.,  8.], dtype=float32)

  References:
    Davari and Belilovsky, 2023, Model Breadcrumbs,
    https://arxiv.org/abs/2312.06795. Yadav et al, 2023, TIES-Merging,
    https://arxiv.org/abs/2306.01708.
  """
  _check.one_of('compat', compat, ('paper', 'mergekit'))
  combine = _consensus.consensus(reduce, 'leaf', compat, sign)
  prune = _pruned(density, gamma, compat, stacked)
  return base.Recipe(combine, prune, scale, draws=False)


def _pruned(
  density: float,
  gamma: float,
  compat: str,
  stacked: Mapping[str, int] | None,
) -> deltas.Prune:
  if compat == 'mergekit':
    return deltas.breadcrumbs(density, gamma, 'leaf', compat)
  return _rows.by_output(
    lambda axis: deltas.breadcrumbs(density, gamma, 'row', compat, axis),
    stacked,
  )
