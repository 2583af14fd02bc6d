"""Small entries dropped sooner, before deltas are summed or elect (DELLA)."""

from collections.abc import Mapping

import jax

from paramspace import base
from paramspace import deltas
from paramspace.merging import _config
from paramspace.merging import _consensus
from paramspace.merging import _rows
from paramspace.merging import _stack


@_config.recorded
def della(
  density: float = 0.7,
  window: float = 0.14,
  scale: float | jax.Array = 1.1,
  reduce: str = 'mean',
  compat: str = 'mergekit',
  sign: str = 'total',
  rescale: str | None = 'prob',
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""theta = base + scale tau, of deltas that MagPrune has thinned.

  In each row, the inputs of one output, an entry is kept with a probability
  that rises with its rank by magnitude, and divided by it (`deltas.magprune`).
  Then signs are elected and what agrees is averaged, as in `ties`.

  Args:
    density: The expected fraction that is kept. The paper's p is 1 - density.
    window: The width of the probabilities, the paper's epsilon and mergekit's
      2 epsilon.
    scale: lambda.
    reduce: As in `ties`.
    compat: Of the election, as in `ties`. The authors' code is a fork of
      mergekit and elects by weighted deltas: 'mergekit'.
    sign: As in `ties`.
    rescale: As in `deltas.magprune`; mergekit's is 'l1'.
    stacked: As in `axes`.

  Returns:
    A recipe, which draws. The defaults are those of the authors' example.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import merging
    >>> base, tuned = {'w': jnp.zeros(2)}, {'a': {'w': jnp.array([0.001, 1.0])}}
    >>> recipe = merging.della(density=0.5, window=0.98, scale=1.0)
    >>> merged = merging.merge(base, tuned, recipe, key=jax.random.key(0))
    >>> merged['w'].round(2)
    Array([0.  , 1.01], dtype=float32)

  References:
    Deep et al, 2024, DELLA-Merging, https://arxiv.org/abs/2406.11617, Section
    3.
  """
  combine = _consensus.consensus(reduce, 'leaf', compat, sign)
  prune = _magprune(density, window, rescale, stacked)
  return base.Recipe(combine, prune, scale)


@_config.recorded
def della_linear(
  density: float = 0.7,
  window: float = 0.14,
  scale: float | jax.Array = 1.0,
  rescale: str | None = 'prob',
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""theta = base + scale sum_i w_i delta'_i, without an election.

  The expectation is that of `task_arithmetic`.

  Args:
    density: As in `della`.
    window: As in `della`.
    scale: The factor of the sum.
    rescale: As in `della`.
    stacked: As in `axes`.

  Returns:
    A recipe, which draws.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import merging
    >>> base, tuned = {'w': jnp.zeros(2)}, {'a': {'w': jnp.array([0.001, 1.0])}}
    >>> recipe = merging.della_linear(density=0.5, window=0.98)
    >>> merged = merging.merge(base, tuned, recipe, key=jax.random.key(0))
    >>> merged['w'].round(2)
    Array([0.  , 1.01], dtype=float32)

  References:
    Deep et al, 2024, DELLA-Merging, https://arxiv.org/abs/2406.11617.
  """
  combine = base.Combine(
    lambda known, leaf: _stack.total(leaf), kind=base.alike
  )
  prune = _magprune(density, window, rescale, stacked)
  return base.Recipe(combine, prune, scale)


def _magprune(
  density: float,
  window: float,
  rescale: str | None,
  stacked: Mapping[str, int] | None,
) -> deltas.Prune:
  return _rows.by_output(
    lambda axis: deltas.magprune(density, window, rescale, axis), stacked
  )
