"""Specifications as JSON."""

import json

from paramspace import trees
from paramspace.symmetry import _notation
from paramspace.symmetry import _spec

VERSION = 1


def dumps(spec: _spec.Spec) -> str:
  """Returns a specification as JSON, from which `loads` makes it again.

  The axes of a leaf are written in the notation of `from_rules`.

  Args:
    spec: A specification.

  Returns:
    One object: the version, the groups, the leaves and the notes.

  Raises:
    ValueError: If the name of a group cannot be told from other text.

  Example:
    >>> from paramspace import symmetry
    >>> group, axis = symmetry.Group(4), symmetry.Factor('hidden', 4)
    >>> print(symmetry.dumps(symmetry.Spec({'hidden': group}, {'b': (axis,)})))
    {
      "version": 1,
      "groups": {
        "hidden": {"size": 4, "over": [], "moves": true}
      },
      "leaves": {
        "b": "hidden"
      },
      "notes": []
    }
  """
  groups = {name: json.dumps(g._asdict()) for name, g in spec.groups.items()}
  leaves = {
    name: json.dumps(_notation.formatted(axes))
    for name, axes in spec.leaves.items()
  }
  return (
    f'{{\n  "version": {VERSION},\n  "groups": {_lines(groups)},\n'
    f'  "leaves": {_lines(leaves)},\n  "notes": {json.dumps(spec.notes)}\n}}'
  )


def _lines(entries):
  """Returns an object, each entry on a line."""
  lines = [f'    {json.dumps(name)}: {text}' for name, text in entries.items()]
  return '{\n' + ',\n'.join(lines) + '\n  }' if lines else '{}'


def loads(text: str) -> _spec.Spec:
  """Makes a specification from JSON.

  Args:
    text: What `dumps` wrote.

  Returns:
    The specification, equal to the one that was written.

  Raises:
    ValueError: If the text is no such object, or the specification in it
      contradicts itself; names the group or the leaf.

  Example:
    >>> from paramspace import symmetry
    >>> text = '{"version": 1, "groups": {}, "leaves": {"b": "3"}, "notes": []}'
    >>> symmetry.loads(text).leaves
    {'b': (Factor(name=None, size=3),)}
  """
  try:
    entry = json.loads(text)
  except json.JSONDecodeError as e:
    raise ValueError(f'The specification is not JSON: {e}.') from None
  want = {'version': int, 'groups': dict, 'leaves': dict, 'notes': list}
  typed = isinstance(entry, dict) and entry.keys() == want.keys()
  if not typed or not all(isinstance(entry[k], t) for k, t in want.items()):
    raise ValueError(
      f'A specification is an object with {list(want)}, got {text[:80]!r}.'
    )
  if entry['version'] != VERSION:
    raise ValueError(
      f'The specification has version {entry["version"]}; this is a reader of '
      f'version {VERSION}: derive it again.'
    )
  groups = {name: _group(name, g) for name, g in entry['groups'].items()}
  leaves = {name: _axes(name, t, groups) for name, t in entry['leaves'].items()}
  spec = _spec.Spec(groups, leaves, tuple(entry['notes']))
  return _spec.checked(spec)


def _group(name, entry):
  fields = entry if isinstance(entry, dict) else {}
  over = fields.get('over')
  if (
    fields.keys() != set(_spec.Group._fields)
    or type(fields['size']) is not int
    or type(fields['moves']) is not bool
    or not isinstance(over, list)
    or not all(isinstance(o, str) for o in over)
  ):
    raise ValueError(
      f'Group {name!r} should have a size, `over` and `moves`, as in '
      f'{json.dumps(_spec.Group(4)._asdict())}; got {entry!r}.'
    )
  return _spec.Group(fields['size'], tuple(over), fields['moves'])


def _axes(leaf, text, groups):
  sizes = {name: group.size for name, group in groups.items()}
  try:
    if not isinstance(text, str):
      raise ValueError('its axes should be text')
    axes = _notation.parsed(text)
    if _notation.REST in axes:
      raise ValueError(f"it has '{_notation.REST}', of which sizes are unknown")
    return tuple(_notation.sized(axis, sizes) for axis in axes)
  except ValueError as e:
    raise ValueError(f'Leaf {leaf!r}: {e} (in {text!r}).') from None
  except KeyError as e:
    raise ValueError(
      f'Leaf {leaf!r} has the group {e.args[0]!r}, which there is not; near '
      f'misses: {trees.nearest(e.args[0], list(groups))}.'
    ) from None
