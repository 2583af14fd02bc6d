"""Axes as text: `_`, `3`, `hidden`, `(heads inner)`, `left+right`.

Axes stand side by side, with a space between. `_` is an axis that stays as it
is, of any size; a number one of that size; a name one that a group permutes;
`(a b)` is a product, the last the fastest; `a+b` one after the other; both may
be nested, as in `(heads (a+b))`. `...` stands for as many `_` as there are axes
left.
"""

import collections
import re

from paramspace.symmetry import _axis

REST = '...'  # In a notation: axes, as many as it takes, that stay.


def formatted(axes: tuple[_axis.Axis, ...]) -> str:
  """Returns the notation of a leaf's axes, with the sizes of those that stay.

  Raises:
    ValueError: If a name could be read as something else, or a product or a
      concatenation has fewer than two parts.

  Example:
    >>> h, fixed = _axis.Factor('h', 4), _axis.Factor(None, 3)
    >>> formatted((fixed, _axis.Product((h, _axis.Concat((fixed, h))))))
    '3 (h (3+h))'
  """
  return ' '.join(map(_formatted, axes))


def _formatted(axis):
  if isinstance(axis, _axis.Factor):
    return str(axis.size) if axis.name is None else _name(axis.name)
  if len(axis.parts) < 2:
    raise ValueError(f'There is no notation for {axis}: give two parts or one.')
  inner = [
    f'({_formatted(part)})'
    if isinstance(part, _axis.Concat)
    else _formatted(part)
    for part in axis.parts
  ]
  product = isinstance(axis, _axis.Product)
  return f'({" ".join(inner)})' if product else '+'.join(inner)


def _name(name):
  if not re.fullmatch(r'[^\s()+]+', name) or _is_fixed(name):
    raise ValueError(
      f'The group {name!r} has no notation: its name must not be a number, '
      f"'_' or '{REST}', nor hold a space, a parenthesis or '+'."
    )
  return name


def _is_fixed(word):
  return word in ('_', REST) or re.fullmatch(r'[0-9]+', word)


def parsed(text: str) -> tuple[_axis.Axis | str, ...]:
  """Returns the axes that a notation describes.

  Args:
    text: A notation.

  Returns:
    One axis or more, in which the sizes that the text does not tell are None:
    those of the groups and of `_`. `REST` stands for itself.

  Raises:
    ValueError: If it is not a notation; says where.

  Example:
    >>> parsed('3 h')
    (Factor(name=None, size=3), Factor(name='h', size=None))
  """
  tokens = collections.deque(re.findall(r'[()+]|[^\s()+]+', text))
  axes = _axes(tokens, text)
  if tokens:
    raise ValueError(f"The notation {text!r} has a ')' that closes nothing.")
  inner = [f for axis in axes if axis != REST for f in _axis.factors(axis)]
  if axes.count(REST) > 1 or any(f.name == REST for f in inner):
    raise ValueError(
      f"The notation {text!r} has '{REST}' twice or within an axis; once "
      'between axes is how it is meant.'
    )
  return axes


def _axes(tokens, text):
  """Takes axes off the tokens, up to a closing parenthesis."""
  axes = []
  while tokens and tokens[0] != ')':
    parts = [_term(tokens, text)]
    while tokens and tokens[0] == '+':
      tokens.popleft()
      parts.append(_term(tokens, text))
    axes.append(_axis.Concat(tuple(parts)) if len(parts) > 1 else parts[0])
  return tuple(REST if a == _axis.Factor(REST, None) else a for a in axes)


def _term(tokens, text):
  """Takes a name, a number, or what is within parentheses off the tokens."""
  if not tokens or tokens[0] in '+)':
    raise ValueError(
      f"The notation {text!r} has a '+' beside which one misses."
    )
  word = tokens.popleft()
  if word != '(':
    fixed = _is_fixed(word) and word != REST
    known = int(word) if fixed and word != '_' else None
    return _axis.Factor(None if fixed else word, known)
  parts = _axes(tokens, text)
  if not tokens or not parts or REST in parts:
    raise ValueError(
      f"The notation {text!r} has a '(' that nothing closes, or that holds "
      f"nothing or '{REST}'."
    )
  tokens.popleft()
  return _axis.Product(parts) if len(parts) > 1 else parts[0]


def sized(axis: _axis.Axis, sizes: dict[str, int]) -> _axis.Axis:
  """Returns an axis with the sizes of its groups filled in.

  Raises:
    KeyError: If a group's is not among `sizes`.
    ValueError: If there is a `_`, whose size nothing tells.
  """
  if isinstance(axis, _axis.Factor):
    if axis.name is None and axis.size is None:
      raise ValueError("a number must stand where '_' does")
    return (
      axis if axis.name is None else _axis.Factor(axis.name, sizes[axis.name])
    )
  return type(axis)(tuple(sized(part, sizes) for part in axis.parts))
