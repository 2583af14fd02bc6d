"""The largest entries of a delta but the very largest."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.deltas import _check
from paramspace.deltas import _prune
from paramspace.deltas import _rows
from paramspace.deltas import _select


def breadcrumbs(
  density: float = 0.15,
  gamma: float = 0.006,
  scope: str = 'row',
  compat: str = 'paper',
  axis: int = -1,
) -> _prune.Prune:
  r"""delta' = m delta, m = 0 for outliers and for small entries.

  Of n entries, the floor(gamma n) largest are removed, and the floor(density n)
  largest of the others are kept.

  Args:
    density: The paper's beta, in [0, 1]. With 1, all but the outliers are kept.
    gamma: The fraction of outliers, in [0, 1).
    scope: What the n entries are: 'row', those along an axis, or 'leaf'.
    compat: 'paper', or 'mergekit', whose scope is 'leaf': outliers are spared
      where they are needed to reach the density, and density 1 gives the
      delta.
    axis: The axis that a row lies along, from the last; as in `trim`. The
      paper's code, like PyTorch's `[out, in]`, takes the last, -1.

  Returns:
    A prune.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'w': jnp.array([3.0, -9.0, 1.0, 4.0])}
    >>> deltas.breadcrumbs(0.5, gamma=0.25)(jax.random.key(0), delta)['w']
    Array([3., 0., 0., 4.], dtype=float32)

  Note: Scalars are rows of one; the paper's code leaves them as they are.

  References:
    Davari and Belilovsky, 2023, Model Breadcrumbs,
    https://arxiv.org/abs/2312.06795, Section 3.
  """
  _check.fraction('density', density)
  _check.fraction('gamma', gamma)
  _check.one_of('scope', scope, ('row', 'leaf'))
  _check.one_of('compat', compat, ('paper', 'mergekit'))
  _check.axis(axis)
  if compat == 'mergekit' and scope != 'leaf':
    raise ValueError(f"mergekit's `scope` is 'leaf', got {scope!r}.")

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    if density == 1 and (gamma == 0 or compat == 'mergekit'):
      return x
    ranked = _select.bits(x)
    ranked = _rows.take(ranked, axis) if scope == 'row' else ranked
    n = ranked.size if scope == 'leaf' else _rows.length(ranked)
    out, kept = _counts(n, density, gamma, compat)
    marked = _select.largest(ranked, out + kept, scope)
    marked = marked & ~_select.largest(ranked, out, scope)
    marked = _rows.put(marked, axis) if scope == 'row' else marked
    return jnp.where(marked, x, 0)

  return _prune.Prune(apply, kind=base.alike)


def _counts(
  n: int, density: float, gamma: float, compat: str
) -> tuple[int, int]:
  """Returns how many are removed as outliers, and how many then are kept."""
  out, kept = _check.portion(gamma, n), _check.portion(density, n)
  if compat == 'paper':
    return out, min(kept, n - out)
  return min(out, n - kept), kept
