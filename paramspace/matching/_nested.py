"""Assignments of groups, and of groups within the indices of others.

The units of a head are permuted within it, and heads among each other. What is
known of such a group is a number for each unit of each head of one model with
each unit of each head of the other: in the layout `[*still, h, h, n, n]` of
pairs, where `still` are indices that nothing permutes and h is there only if
the group is within another that moves.
"""

from collections.abc import Collection
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from paramspace import symmetry
from paramspace.matching import _assign
from paramspace.matching import _scipy_solver
from paramspace.matching import _still

Pairs = Mapping[str, np.ndarray]  # By group.


class Solved(NamedTuple):
  """What makes the sum of the chosen pairs largest.

  Attributes:
    element: Of the specification; groups that nothing is known of stay.
    rotations: By group that may rotate, `[*over, n, n]`.
    total: The sum.
  """

  element: dict[str, np.ndarray]
  rotations: dict[str, np.ndarray]
  total: float


def outer(spec: symmetry.Spec, name: str) -> str | None:
  """Returns the group that moves and that `name` depends on, or None.

  Raises:
    ValueError: If there are two.
  """
  moving = [o for o in spec.groups[name].over if spec.groups[o].moves]
  if len(moving) > 1:
    raise ValueError(
      f'Group {name!r} depends on {moving}, which all move: together they are '
      'no assignment problem. Set `moves` of one of them to False.'
    )
  return moving[0] if moving else None


def shape(spec: symmetry.Spec, name: str) -> tuple[int, ...]:
  """Returns the shape of the pairs of a group."""
  size = lambda n: spec.groups[n].size
  within = outer(spec, name)
  still = map(size, _still.names(spec, name, within))
  heads = [] if within is None else [size(within)] * 2
  return (*still, *heads, size(name), size(name))


def solve(
  spec: symmetry.Spec, values: Pairs, rotate: Collection[str] = ()
) -> Solved:
  """Returns the best element, each group and what is within it exactly.

  Args:
    spec: A specification.
    values: What each pair is worth, of some of the groups.
    rotate: The groups that may rotate, for which the sum is that of the
      entries times those of an orthogonal matrix.
  """
  element = {n: np.asarray(g) for n, g in symmetry.identity(spec).items()}
  rotations, tops, within, total = {}, {}, {}, 0.0
  for name, x in values.items():
    best = _polar if name in rotate else _permutation
    above = outer(spec, name)
    if above is None and name not in rotate:
      tops[name] = tops.get(name, 0.0) + x
      continue
    chosen, worth = best(x)
    if above is None:
      _put(element, rotations, name, chosen, name in rotate)
      total += worth.sum()
    else:
      within[name] = above, chosen
      worth = _still.summed(spec, name, above, worth)
      tops[above] = tops.get(above, 0.0) + worth
  for name, x in tops.items():
    element[name], worth = _permutation(x)
    total += worth.sum()
  for name, (above, chosen) in within.items():
    tail = 2 if name in rotate else 1
    froms = _still.lifted(spec, above, name, element[above])
    froms = np.expand_dims(froms, tuple(range(-tail - 1, 0)))
    here = np.take_along_axis(chosen, froms, -tail - 1).squeeze(-tail - 1)
    here = np.moveaxis(here, -tail - 1, spec.groups[name].over.index(above))
    _put(element, rotations, name, here, name in rotate)
  return Solved(element, rotations, float(total))


def _put(element, rotations, name, chosen, rotates):
  if rotates:
    rotations[name] = chosen.astype(np.float32)
  else:
    element[name] = chosen.astype(np.int32)


def _permutation(values):
  flat = values.reshape(-1, *values.shape[-2:])
  chosen, _ = _scipy_solver.solve(flat)
  worth = _assign.chosen(flat, chosen)
  return chosen.reshape(values.shape[:-1]), worth.reshape(values.shape[:-2])


def _polar(values):
  u, s, v = np.linalg.svd(np.asarray(values, np.float64))
  return u @ v, s.sum(-1)


def hard(
  spec: symmetry.Spec,
  element: symmetry.Element,
  rotations: Mapping[str, np.ndarray] = {},
) -> dict[str, np.ndarray]:
  """Returns the matrices of an element in the layout of pairs, float32."""
  eye = lambda g: np.eye(np.shape(g)[-1], dtype=np.float32)[np.asarray(g)]
  found = {}
  for name, g in element.items():
    matrix = np.asarray(rotations[name]) if name in rotations else eye(g)
    above = outer(spec, name)
    if above is not None:
      at = spec.groups[name].over.index(above)
      heads = _still.lifted(spec, above, name, eye(element[above]))
      matrix = np.moveaxis(matrix, at, -3)  # [*still, h, n, n]
      matrix = matrix[..., :, None, :, :] * heads[..., None, None]
    found[name] = matrix
  return found


def barycenter(spec: symmetry.Spec) -> dict[str, np.ndarray]:
  """Returns the mean of the matrices of all elements."""
  found = {}
  for name in symmetry.shapes(spec):
    above = outer(spec, name)
    heads = 1 if above is None else spec.groups[above].size
    each = 1 / (heads * spec.groups[name].size)
    found[name] = np.full(shape(spec, name), each, np.float32)
  return found
