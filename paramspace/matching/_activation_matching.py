"""Units that do the same on the same examples."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from paramspace import symmetry
from paramspace.matching import _check
from paramspace.matching import _match
from paramspace.matching import _moments
from paramspace.matching import _nested

MEASURES = ('correlation', 'inner')


def activation_matching(
  spec: symmetry.Spec,
  statistics: Mapping[str, _moments.Moments],
  *,
  measure: str = 'correlation',
  epsilon: float = 1e-4,
) -> _match.Match:
  r"""Matches units by their activations, one assignment problem a group.

  'correlation', of REPAIR: cov(x_i, y_j) / ((sd(x_i) + e) (sd(y_j) + e)).
  'inner', of git-re-basin: E[x_i y_j], not centred. A unit that never changes
  correlates with none, and one that is never on has an inner product of 0
  with all; such units take the places that are left.

  Where the units of a group depend on the index of another that moves, such as
  those within a head, every head of a is compared with every head of b by the
  best match of their units, and heads are then matched by the sums; the
  activations of the heads themselves count if they are given.

  Args:
    spec: A specification.
    statistics: From `activation_statistics`.
    measure: 'correlation' or 'inner'.
    epsilon: What is added to standard deviations, e.

  Returns:
    A `Match`. Groups without activations stay. The objective is the sum of
    what the matched units have in common; the gap is 0: each group's problem
    is solved exactly.

  Raises:
    ValueError: If the measure is unknown, or a group depends on two that move.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching, symmetry
    >>> spec = symmetry.Spec(
    ...   {'hidden': symmetry.Group(2)},
    ...   {'w': (symmetry.Factor(None, 1), symmetry.Factor('hidden', 2))},
    ... )
    >>> hidden = lambda params, x: {'hidden': jnp.maximum(x @ params['w'], 0)}
    >>> a, b = {'w': jnp.array([[1.0, -1]])}, {'w': jnp.array([[-2.0, 1]])}
    >>> batches = [jnp.array([[2.0], [-4.0], [3.0]])]
    >>> found = matching.activation_statistics(spec, hidden, a, b, batches)
    >>> matching.activation_matching(spec, found).element['hidden'].tolist()
    [1, 0]

  Note: git-re-basin accumulates in float32. REPAIR takes the units of a
    residual stream at the end of each stage; here `activations` says where.

  References:
    Ainsworth et al, 2022, Git Re-Basin, https://arxiv.org/abs/2209.04836,
    Section 3.1. Jordan et al, 2022, REPAIR, https://arxiv.org/abs/2211.08403.
    Li et al, 2015, Convergent Learning, https://arxiv.org/abs/1511.07543.
  """
  _check.one_of('measure', measure, MEASURES)
  values = {
    name: _pairs(spec, name, _values(moments, measure, epsilon))
    for name, moments in statistics.items()
  }
  found = _nested.solve(spec, values)
  element = {n: jnp.asarray(g) for n, g in found.element.items()}
  return _match.Match(element, np.array([found.total]), 1, 0.0)


def _values(moments, measure, epsilon):
  """Returns what each unit of a has in common with each of b, `[m, m]`."""
  x = moments
  if measure == 'inner':
    return x.products / x.count + np.outer(x.mean_a, x.mean_b)
  sd_a, sd_b = np.sqrt(x.squares_a / x.count), np.sqrt(x.squares_b / x.count)
  return x.products / x.count / np.outer(sd_a + epsilon, sd_b + epsilon)


def _pairs(spec, name, values):
  """Returns `[m, m]` in the layout of pairs."""
  over, size = spec.groups[name].over, spec.groups[name].size
  outer, k = _nested.outer(spec, name), len(over)
  shape = (*(spec.groups[o].size for o in over), size)
  of_a = [*range(k), k]
  of_b = [k + 1 if o == outer else i for i, o in enumerate(over)] + [k + 2]
  still = [i for i, o in enumerate(over) if o != outer]
  heads = [] if outer is None else [over.index(outer), k + 1]
  return np.einsum(
    values.reshape(shape * 2), of_a + of_b, [*still, *heads, k, k + 2]
  )
