"""Which group, and which leaf, makes a function change."""

from collections.abc import Callable

import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _axis
from paramspace.symmetry import _describe
from paramspace.symmetry import _element
from paramspace.symmetry import _spec

SHOWN = 5  # Groups, and leaves of each, that a message names.


def blamed(
  spec: _spec.Spec,
  params: base.Params,
  element: _element.Element,
  move: Callable[[_element.Element], base.Params],
  error: Callable[[base.Params], float],
  tolerance: float,
) -> str:
  """Returns the groups that change a function alone, and the leaf at fault.

  Args:
    spec: A specification.
    params: The parameters.
    element: An element that changes the function.
    move: `(element) -> params`, moved.
    error: `(params) -> error` of the function at them.
    tolerance: The largest error that is none.
  """
  still = {
    name: np.broadcast_to(_still(x), x.shape) for name, x in element.items()
  }
  alone = {name: still | {name: x} for name, x in element.items()}
  errors = {name: error(move(g)) for name, g in alone.items()}
  guilty = [name for name, e in errors.items() if not e <= tolerance]
  where = _describe.occurrences(spec)
  if not guilty:
    return f'No group alone does it, but several at once: {list(element)[:9]}.'
  texts = []
  for name in guilty[:SHOWN]:
    at = [f'{leaf}: {k}' for leaf, k in where[name]]
    more = f' and {len(at) - SHOWN} more' if len(at) > SHOWN else ''
    texts.append(
      f'{name!r} (by {errors[name]:.1e}; on {", ".join(at[:SHOWN])}{more}'
      f'{_fault(spec, params, name, alone[name], move, error, tolerance)})'
    )
  more = f' and {len(guilty) - SHOWN} more' if len(guilty) > SHOWN else ''
  return (
    f'{len(guilty)} of {len(element)} groups do it alone: {", ".join(texts)}'
    f'{more}.{_shared(where, guilty)}'
  )


def _still(x):
  return np.arange(x.shape[-1], dtype=x.dtype)


def _shared(where, guilty):
  """Returns the leaves that several groups share, which may be swapped."""
  leaves = [{leaf for leaf, _ in where[name]} for name in guilty]
  both = sorted(set.intersection(*leaves)) if len(leaves) > 1 else []
  return f' They meet on {both[:SHOWN]}.' if both else ''


def _fault(spec, params, name, element, move, error, tolerance):
  """Returns the leaf on which a group is missing, or should not be."""
  moved = move(element)
  old, new = trees.named(params), trees.named(moved)
  mends = lambda leaf, x: error(trees.replace(moved, {leaf: x})) <= tolerance
  axis = _axis.Factor(None, spec.groups[name].size)
  for leaf, axes in () if spec.groups[name].over else spec.leaves.items():
    for place in _axis.all_places(axes):
      if place.factor == axis:
        x = permuted(np.asarray(new[leaf]), place, element[name])
        if mends(leaf, x):
          return f'; it is missing on {leaf}: {place.axis}'
  for leaf, _ in _describe.occurrences(spec)[name]:
    if mends(leaf, old[leaf]):
      return f'; it should not be on {leaf}'
  return ''


def permuted(x: np.ndarray, place: _axis.Place, by: np.ndarray) -> np.ndarray:
  """Returns a leaf with one of its factors permuted."""
  ahead = (by[place.coordinate] - place.coordinate) * place.stride
  at = np.arange(x.shape[place.axis]) + np.where(place.inside, ahead, 0)
  return np.take(x, at, place.axis)
