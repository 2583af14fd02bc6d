"""Indices that a group depends on and its outer group may not, or the reverse.

The heads of a stack of layers are a group for each layer; the units within them
one for each layer and head. What is known of the units has the axes `still`,
those of all indices they depend on but that of the heads; what is known of the
heads has the axes that heads depend on, which are some of these.
"""

import numpy as np

from paramspace import symmetry


def names(
  spec: symmetry.Spec, group: str, outer: str | None
) -> tuple[str, ...]:
  """Returns what a group depends on besides its outer group, in order."""
  return tuple(o for o in spec.groups[group].over if o != outer)


def lifted(
  spec: symmetry.Spec, outer: str, group: str, x: np.ndarray
) -> np.ndarray:
  """Returns what is of an outer group as it is for each index of `group`.

  Args:
    spec: A specification.
    outer: The name of a group.
    group: That of one within it.
    x: `[*still of outer, ...]`.

  Returns:
    `[*still of group, ...]`, of size 1 where the outer group does not depend.
  """
  still, of_outer = names(spec, group, outer), spec.groups[outer].over
  if still == of_outer:
    return x
  order = np.argsort([still.index(o) for o in of_outer]).astype(int)
  k = len(of_outer)
  x = x.transpose(*order, *range(k, x.ndim))
  missing = [i for i, o in enumerate(still) if o not in of_outer]
  return np.expand_dims(x, tuple(missing))


def summed(
  spec: symmetry.Spec, group: str, outer: str, x: np.ndarray
) -> np.ndarray:
  """Returns what all indices of `group` say of its outer group.

  Args:
    spec: A specification.
    group: The name of a group.
    outer: That of the group it is within.
    x: `[*still of group, ...]`.

  Returns:
    `[*still of outer, ...]`.
  """
  still, of_outer = names(spec, group, outer), spec.groups[outer].over
  x = x.sum(tuple(i for i, o in enumerate(still) if o not in of_outer))
  kept = [o for o in still if o in of_outer]
  k = len(of_outer)
  return x.transpose(*(kept.index(o) for o in of_outer), *range(k, x.ndim))
