"""Specifications written by hand."""

import re
from collections.abc import Mapping
from collections.abc import Sequence

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _axis
from paramspace.symmetry import _notation
from paramspace.symmetry import _sizes
from paramspace.symmetry import _spec


def from_rules(
  params: base.Params,
  rules: Mapping[str, str],
  *,
  over: Mapping[str, Sequence[str]] = {},
  still: Sequence[str] = (),
  sizes: Mapping[str, int] = {},
  rest: str | None = None,
) -> _spec.Spec:
  r"""Returns the specification that a person has written.

  A rule says how the axes of a leaf are put together: `_` stays as it is; a
  number does, and has that many entries; a name is permuted by the group of
  that name; `(a b)` is a product, as of heads and what is within a head, the
  last the fastest; `a+b` is one after the other; these nest, as in
  `(h (a+b))`. `...` is as many `_` as there are axes left.

  Args:
    params: The tree, for its names and shapes.
    rules: By regular expression of a whole leaf name, a notation, in which
      `\1` is what the expression's first group matched.
    over: By regular expression of a whole group name, the groups on whose
      coordinate its permutation depends; `\1` as above.
    still: Regular expressions of groups that stay as they are, and are there
      for others to depend on, such as the index of a stacked layer.
    sizes: By group, its size, where shapes do not tell it.
    rest: The notation of the leaves that no rule matches, such as '...'.

  Returns:
    A specification; `verify` says whether it is right.

  Raises:
    ValueError: If an expression matches nothing, two rules or none match a
      leaf, a notation does not fit a shape, or sizes are not told or
      contradict each other; names the leaf and the axis.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import symmetry
    >>> params = {
    ...   'Dense_0': {'kernel': jnp.zeros((3, 8)), 'bias': jnp.zeros(8)},
    ...   'Dense_1': {'kernel': jnp.zeros((8, 2)), 'bias': jnp.zeros(2)},
    ... }
    >>> rules = {
    ...   r'Dense_0/(kernel|bias)': '... hidden',
    ...   r'Dense_1/kernel': 'hidden _',
    ... }
    >>> spec = symmetry.from_rules(params, rules, rest='...')
    >>> spec.groups
    {'hidden': Group(size=8, over=(), moves=True)}
  """
  leaves = trees.named(params)
  texts = _texts(params, list(leaves), rules, rest)
  axes = {
    name: _axes(name, text, leaves[name].ndim) for name, text in texts.items()
  }
  shapes = {name: x.shape for name, x in leaves.items()}
  full = _sizes.solved(axes, shapes, sizes)
  found = {
    f.name: f.size
    for axes in full.values()
    for axis in axes
    for f in _axis.factors(axis)
    if f.name is not None
  }
  _known('sizes', [re.escape(name) for name in sizes], found)
  depends = _depends(over, found)
  stays = _known('still', still, found)
  groups = {
    name: _spec.Group(size, depends.get(name, ()), name not in stays)
    for name, size in found.items()
  }
  return _spec.checked(_spec.Spec(groups, full))


def _texts(params, names, rules, rest):
  """Returns the notation of each leaf, from the one rule that matches it."""
  by = {name: [] for name in names}
  for pattern in rules:
    for name in trees.match(params, pattern):
      by[name].append(pattern)
  for name, patterns in by.items():
    if len(patterns) > 1:
      raise ValueError(
        f'Leaf {name!r} is matched by {len(patterns)} rules: {patterns}; make '
        'them exclude each other, or use `rest`.'
      )
  left = [name for name, patterns in by.items() if not patterns]
  if left and rest is None:
    raise ValueError(
      f'{len(left)} leaves are matched by no rule: {left[:5]}; write one, or '
      "`rest='...'` if they stay as they are."
    )
  expand = lambda p, name: _expanded(p, rules[p], name)
  return {n: expand(p[0], n) if p else rest for n, p in by.items()}


def _expanded(pattern, template, name):
  """Returns a template with what a pattern's groups matched filled in."""
  try:
    return re.fullmatch(pattern, name).expand(template)
  except (re.error, IndexError) as e:
    raise ValueError(f'{template!r} does not fit {pattern!r}: {e}.') from None


def _axes(leaf, text, ndim):
  """Returns as many axes, parsed, as the leaf has."""
  try:
    axes = _notation.parsed(text)
  except ValueError as e:
    raise ValueError(f'Leaf {leaf!r}: {e}') from None
  if _notation.REST in axes:
    k = axes.index(_notation.REST)
    any_ = (_axis.Factor(None, None),) * (ndim - len(axes) + 1)
    axes = (*axes[:k], *any_, *axes[k + 1 :])
  if len(axes) != ndim:
    raise ValueError(
      f'Leaf {leaf!r} has {ndim} axes, but {text!r} is for {len(axes)}.'
    )
  return axes


def _known(what, patterns, groups):
  """Returns the groups that the patterns match, each at least one."""
  found = set()
  for pattern in patterns:
    names = [name for name in groups if re.fullmatch(pattern, name)]
    if not names:
      raise ValueError(
        f'`{what}`: {pattern!r} matches no group; near misses: '
        f'{trees.nearest(pattern, list(groups))}.'
      )
    found.update(names)
  return found


def _depends(over, groups):
  """Returns by group the names of those that it depends on."""
  found = {}
  for pattern, names in over.items():
    for name in sorted(_known('over', [pattern], groups)):
      if name in found:
        raise ValueError(f'`over`: two expressions match the group {name!r}.')
      found[name] = tuple(_expanded(pattern, o, name) for o in names)
  return found
