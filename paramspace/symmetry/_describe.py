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
    Text: for each group its size, the groups that its permutation depends on,
    and where it is, as leaf and axis; then the notes. On an axis of several
    parts the group is `*` and the others are their sizes, as in `(2 * 4)+7`.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import symmetry
    >>> params = {'in': jnp.zeros((3, 4)), 'out': jnp.zeros((4, 2))}
    >>> rules = {'in': '_ hidden', 'out': 'hidden _'}
    >>> print(symmetry.describe(symmetry.from_rules(params, rules)))
    1 group, 10^1.4 elements; on 2 of 2 leaves
    group   size  depends on  where (leaf: axis)
    hidden     4              in: 1, out: 0
  """
  where = occurrences(spec)
  touched = {leaf for at in where.values() for leaf, _ in at}
  one = 'group' if len(spec.groups) == 1 else 'groups'
  lines = [
    f'{len(spec.groups)} {one}, 10^{_log10(spec):.1f} elements; on '
    f'{len(touched)} of {len(spec.leaves)} leaves'
  ]
  if spec.groups:
    lines += _table(spec, where)
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


def _table(spec, where):
  """Returns the rows, in columns, the last wrapped."""
  heads = ('group', 'size', 'depends on', 'where (leaf: axis)')
  rows = [heads]
  for name, group in spec.groups.items():
    over = ', '.join(group.over) if group.moves else '(stays)'
    rows.append((name, str(group.size), over, _where(spec, name, where[name])))
  first, second, third = (max(len(row[k]) for row in rows) for k in range(3))
  lines = []
  for name, size, over, at in rows:
    ahead = f'{name:{first}}  {size:>{second}}  {over:{third}}  '
    lines += textwrap.wrap(
      at,
      max(WIDTH, len(ahead) + WIDTH // 2),
      initial_indent=ahead,
      subsequent_indent=' ' * len(ahead),
      break_long_words=False,
      break_on_hyphens=False,
    ) or [ahead.rstrip()]
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
