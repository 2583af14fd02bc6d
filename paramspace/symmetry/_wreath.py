"""Permutations that may differ from index to index of another axis."""

import collections
from collections.abc import Iterable
from collections.abc import Sequence

from paramspace.symmetry import _flow
from paramspace.symmetry import _log


def depends(
  records: Iterable[_log.Axes], named: Sequence[_flow.Node]
) -> dict[_flow.Node, tuple[_flow.Node, ...]]:
  """Returns on which indices the permutation of each class may depend.

  Within each head or each group the permutation may be another one if
  everything that is ever computed, summed over or not, has the index of the
  head or group once, wherever it has the axis that is permuted.

  Args:
    records: The axes of all values, and of all that operations run over.
    named: The classes that leaves have, in order.

  Returns:
    For each class that is permuted those on whose index it may depend, and
    with each of these all that it depends on.
  """
  may: dict[_flow.Node, set[_flow.Node]] = {}
  for record in _distinct(records):
    for atom, beside in _beside(record):
      may[atom] = may[atom] & beside if atom in may else beside
  order = {atom: k for k, atom in enumerate(named)}
  free = [atom for atom in named if not atom.pinned]
  found = {}
  # Those that may depend on little first: others may then depend on them.
  for atom in sorted(free, key=lambda a: (len(may.get(a, ())), order[a])):
    beside = may.get(atom, set())
    known = {o for o in beside if o.pinned or o in found}
    those = (o for o in known if known.issuperset(found.get(o, ())))
    found[atom] = tuple(sorted(those, key=order.get))
  return found


def _distinct(records):
  """Returns the records in terms of what the classes have become."""
  found = {}
  for record in records:
    axes = tuple(_flow.find(axis) for axis in record if axis is not None)
    found[axes] = None
  return found


def _beside(axes):
  """Yields the free classes of a record and the indices beside each."""
  whole = [_whole(axis) for axis in axes]
  times = collections.Counter(
    atom for axis in axes for atom in _flow.atoms(axis)
  )
  for k, axis in enumerate(axes):
    far = {
      atom
      for j, others in enumerate(whole)
      for atom in others
      if j != k and times[atom] == 1
    }
    for atom, near in _near(axis):
      if atom.size > 1 and not atom.pinned:
        once = {o for o, n in collections.Counter(near).items() if n == 1}
        yield atom, {o for o in once | far if o is not atom and not o.spoiled}


def _whole(node):
  """Returns the classes that each position on an axis has an index of."""
  node = _flow.find(node)
  if node.kind == 'atom':
    return [node]
  if node.kind == 'concat':
    return []
  return [atom for p in _flow.flat(node, 'product') for atom in _whole(p)]


def _near(node):
  """Yields the classes on an axis and those they are multiplied with on it."""
  node = _flow.find(node)
  if node.kind == 'atom':
    yield node, []
    return
  parts = _flow.flat(node, node.kind)
  for k, part in enumerate(parts):
    others = []
    if node.kind == 'product':
      rest = (*parts[:k], *parts[k + 1 :])
      others = [atom for other in rest for atom in _whole(other)]
    for atom, near in _near(part):
      yield atom, near + others
