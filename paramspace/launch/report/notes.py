"""What the docstring of a config says, in its parts."""

import inspect
import re
import types
from typing import NamedTuple

_PART = re.compile(r'([A-Z][a-z]+): +(.*)')


class Notes(NamedTuple):
  """The parts of a docstring.

  Attributes:
    title: The first line, without its full stop.
    parts: (name, text), such as ('Paper', 'Li et al, ...'); a paragraph that
      has no name has ''.
  """

  title: str
  parts: tuple[tuple[str, str], ...]

  def part(self, name: str) -> str:
    """Returns the text of a part; '' if there is none."""
    return dict(self.parts).get(name, '')


def of(module: types.ModuleType) -> Notes:
  r"""Returns the parts of a module's docstring.

  A part begins where a line does: 'Paper: ', 'Run: ', 'Expect: '. Its other
  lines are indented.

  Example:
    >>> module = types.ModuleType('mnist', 'A network.\n\nTime: 5 min on\n  2.')
    >>> of(module)
    Notes(title='A network', parts=(('Time', '5 min on 2.'),))
  """
  title, _, rest = inspect.cleandoc(module.__doc__ or '').partition('\n')
  found: list[tuple[str, list[str]]] = []
  ended = True
  for line in rest.splitlines():
    named = _PART.fullmatch(line)
    if named:
      found.append((named[1], [named[2].removesuffix('\\')]))
    elif line.strip() and ended and not line.startswith(' '):
      found.append(('', [line]))
    elif line.strip():
      found[-1][1].append(line.strip().removesuffix('\\'))
    ended = not line.strip()
  parts = tuple((name, ' '.join(' '.join(x).split())) for name, x in found)
  return Notes(title.rstrip('.') or module.__name__, parts)
