"""A specification as a table that a person can read."""

import math
import textwrap

from paramspace.symmetry import _axis
from paramspace.symmetry import _notation
from paramspace.symmetry import _spec

WIDTH = 80


def describe(spec: _spec.Spec) -> str:
  """Returns a table of the groups, and what was noted.

  Args:
    spec: A specification.

  Returns:
    Text: for each group its size, its name, the groups for each index of which
    it has another permutation, and where it is, as leaf and axis; then the
    notes. On an axis of several parts the group is `*` and the others are their
    sizes, as in `(2 * 4)+7`.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import symmetry
    >>> params = {'in': jnp.zeros((3, 4)), 'out': jnp.zeros((4, 2))}
    >>> rules = {'in': '_ hidden', 'out': 'hidden _'}
    >>> print(symmetry.describe(symmetry.from_rules(params, rules)))
    1 group, 10^1.4 elements; on 2 of 2 leaves
    4  hidden
           in: 1, out: 0
  """
  where = occurrences(spec)
  touched = {leaf for at in where.values() for leaf, _ in at}
  one = 'group' if len(spec.groups) == 1 else 'groups'
  lines = [
    f'{len(spec.groups)} {one}, 10^{_log10(spec):.1f} elements; on '
    f'{len(touched)} of {len(spec.leaves)} leaves'
  ]
  if spec.groups:
    lines += _entries(spec, where)
  for note in spec.notes:
    lines += textwrap.wrap(
      f'note: {note}', WIDTH, subsequent_indent='  ', break_on_hyphens=False
    )
  return '\n'.join(lines)


def occurrences(spec: _spec.Spec) -> dict[str, list[tuple[str, int]]]:
  """Returns by group the leaves and the axes that it is on, each once."""
  where = {name: {} for name in spec.groups}
  for leaf, axes in spec.leaves.items():
    for k, axis in enumerate(axes):
      for factor in _axis.factors(axis):
        if factor.name is not None:
          where[factor.name][leaf, k] = None
  return {name: list(at) for name, at in where.items()}


def _entries(spec, where):
  """Returns the lines of the groups, sizes and names in columns."""
  width = max(len(str(group.size)) for group in spec.groups.values())
  lines = []
  for name, group in spec.groups.items():
    still = '' if group.moves else ' (stays)'
    lines.append(f'{group.size:>{width}}  {name}{still}')
    for over in group.over:
      lines.append(' ' * (width + 2) + f'for each of {over}')
    lines += textwrap.wrap(
      _where(spec, name, where[name]),
      WIDTH,
      initial_indent=' ' * (width + 6),
      subsequent_indent=' ' * (width + 6),
      break_long_words=False,
      break_on_hyphens=False,
    )
  return lines


def _where(spec, name, places):
  """Returns leaf and axis, and where on it the group is if it has parts."""
  found = []
  for leaf, k in places:
    axis = spec.leaves[leaf][k]
    whole = isinstance(axis, _axis.Factor)
    text = '' if whole else f' {_notation.formatted((_starred(axis, name),))}'
    found.append(f'{leaf}: {k}{text}')
  return ', '.join(found)


def _starred(axis, name):
  """Returns an axis on which one group is a star, and others are sizes."""
  if isinstance(axis, _axis.Factor):
    return axis._replace(name='*' if axis.name == name else None)
  return type(axis)(tuple(_starred(part, name) for part in axis.parts))


def _log10(spec):
  """Returns the logarithm of the number of elements."""
  total = 0.0
  for group in spec.groups.values():
    if group.moves:
      times = math.prod(spec.groups[over].size for over in group.over)
      total += times * math.lgamma(group.size + 1)
  return total / math.log(10)
