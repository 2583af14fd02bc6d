"""The largest entries of a delta."""

from paramspace import base
from paramspace.deltas import _check
from paramspace.deltas import _largest
from paramspace.deltas import _prune
from paramspace.deltas import _rounds


def trim(
  density: float, scope: str = 'leaf', count: str = 'floor', axis: int = -1
) -> _prune.Prune:
  r"""delta' = m delta, m = 1 for the k = floor(density n) largest |delta|.

  The number that are kept is exact. Entries that are equal in magnitude go to
  the leaves in order of their names, and in a leaf to those that come first in
  memory. Nothing is sorted, and in no scope are leaves concatenated.

  Args:
    density: The fraction that is kept, in [0, 1]. 0 gives zeros, 1 the delta.
    scope: What the n entries are: 'leaf', those of a leaf; 'row', those along
      an axis; or 'global', those of the tree.
    count: 'floor', or 'official', the rule of the authors' code for TIES:
      floor(density n) + 1 are kept, and all that are equal to the last.
    axis: Of scope 'row': the axis that a row lies along, from the last, -1. A
      leaf with fewer axes is one row. In a Flax kernel `[in, out]` the last
      axis holds the outputs of one input; -2 takes the inputs of one output,
      which is the last axis of a PyTorch weight.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'w': jnp.array([3.0, -4.0, 1.0, 4.0])}
    >>> deltas.trim(0.5)(jax.random.key(0), delta)['w']
    Array([ 0., -4.,  0.,  4.], dtype=float32)

  Note: The paper trims the vector of all parameters, which is
    `scope='global'`; mergekit and PEFT trim leaf by leaf. Leaves of float64 are
    ranked as float32.

  References:
    Yadav et al, 2023, TIES-Merging, https://arxiv.org/abs/2306.01708, Section
    4.1.
  """
  _check.fraction('density', density)
  return _largest.kept(
    density, scope, count, axis, _rounds.magnitude, base.alike
  )
