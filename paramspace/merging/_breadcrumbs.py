"""Deltas without outliers and without small entries, summed."""

from collections.abc import Mapping

import jax

from paramspace import base
from paramspace import deltas
from paramspace.merging import _config
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
  if compat == 'mergekit':
    prune = deltas.breadcrumbs(density, gamma, 'leaf', compat)
  else:
    prune = _rows.by_output(
      lambda axis: deltas.breadcrumbs(density, gamma, 'row', compat, axis),
      stacked,
    )
  combine = base.Combine(lambda known, leaf: _stack.total(leaf))
  return base.Recipe(combine, prune, scale, draws=False)
