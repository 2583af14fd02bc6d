"""A specification: which groups permute which axes of which leaves."""

from collections.abc import Mapping
from typing import NamedTuple

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _axis


class Group(NamedTuple):
  """The permutations of `size` things, or one such for each index of others.

  Attributes:
    size: How many things.
    over: The names of groups on whose coordinates the permutation depends: the
      permutation within a head may differ from head to head (a wreath product),
      the one of a hidden layer from layer to layer of a stack. What these
      depend on is among them: layers and heads, where heads are of a layer.
    moves: False for an index that nothing permutes, such as that of the layers
      of a stack; it is a group for others to depend on.
  """

  size: int
  over: tuple[str, ...] = ()
  moves: bool = True


class Spec(NamedTuple):
  """The permutations of parameters that do not change the function.

  Data, and static: hold it outside `jit`, or close over it.

  Attributes:
    groups: By name.
    leaves: By leaf name, how each axis is put together.
    notes: What was taken for fixed because nothing is known of it, and why.
  """

  groups: Mapping[str, Group]
  leaves: Mapping[str, tuple[_axis.Axis, ...]]
  notes: tuple[str, ...] = ()


def checked(spec: Spec) -> Spec:
  """Returns `spec` if it is consistent.

  Raises:
    ValueError: Naming the leaf and the group, where a factor is of no group or
      of another size, or depends on one that the leaf does not have, or on one
      that depends on others.
  """
  for name, group in spec.groups.items():
    for over in group.over:
      if over not in spec.groups:
        raise ValueError(
          f'Group {name!r} depends on {over!r}, which is no group; there are '
          f'{sorted(spec.groups)[:8]}.'
        )
      on = set(spec.groups[over].over)
      if over == name or not on <= set(group.over) - {over}:
        raise ValueError(
          f'Group {name!r} depends on {over!r}, but not on all that this does, '
          f'{sorted(on)}: `over` must have them too, and nothing itself.'
        )
  for leaf, axes in spec.leaves.items():
    found = _axis.places(axes)
    for place in found:
      _check_place(spec, leaf, place, found)
  return spec


def _check_place(spec, leaf, place, found):
  name, size = place.factor
  if name not in spec.groups:
    raise ValueError(
      f'Leaf {leaf!r} has the group {name!r}, which there is not; near misses: '
      f'{trees.nearest(name, list(spec.groups))}.'
    )
  if spec.groups[name].size != size:
    raise ValueError(
      f'Leaf {leaf!r} has group {name!r} with {size} entries, but the group '
      f'permutes {spec.groups[name].size}.'
    )
  for over in spec.groups[name].over:
    index_of(place, over, found, leaf)


def index_of(
  place: _axis.Place, over: str, found: list[_axis.Place], leaf: str
) -> _axis.Place:
  """Returns the place in a leaf that tells the index `over` of a factor.

  Raises:
    ValueError: If there is none, or several that could.
  """
  those = [p for p in found if p.factor.name == over]
  near = [p for p in those if p.axis == place.axis]
  near = [p for p in near if (p.inside | ~place.inside).all()]
  far = [p for p in those if p.axis != place.axis and p.inside.all()]
  if len(near or far) != 1:
    raise ValueError(
      f'Group {place.factor.name!r} depends on {over!r}, which leaf {leaf!r} '
      f'has {len(near or far)} times beside it; once is what it needs.'
    )
  return (near or far)[0]


def fit(spec: Spec, params: base.Params) -> dict:
  """Returns the leaves of `params` by name if `spec` is for such a tree.

  Raises:
    ValueError: Naming the leaves that are missing or unknown, or the leaf whose
      shape is another.
  """
  leaves = trees.named(params)
  if leaves.keys() != spec.leaves.keys():
    raise ValueError(
      'The tree is not the one of this specification. Missing: '
      f'{sorted(spec.leaves.keys() - leaves.keys())[:5]}; unexpected: '
      f'{sorted(leaves.keys() - spec.leaves.keys())[:5]}.'
    )
  for name, axes in spec.leaves.items():
    want = tuple(map(_axis.size, axes))
    if leaves[name].shape != want:
      raise ValueError(
        f'Leaf {name!r} has the shape {list(leaves[name].shape)}, but the '
        f'specification is for {list(want)}; derive it from this model.'
      )
  return leaves
