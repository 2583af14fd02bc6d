"""The names of leaves in files of others, and the way back.

Hugging Face writes `model.layers.0.mlp.weight`; here that is the leaf
`model/layers/0/mlp/weight`. A file with a '/' in any name has our names, dots
and all. So the way back is one replacement, and no name is ever a path.
"""

import re
from collections.abc import Iterable

from paramspace.files import manifest

LONGEST = 1024
_WRONG = re.compile(r'[\x00-\x1f\x7f\\]')


def separator(names: Iterable[str]) -> str:
  """Returns what stands between the parts of these names, '/' or '.'.

  Raises:
    manifest.Damaged: If a name is none of a leaf.

  >>> separator(['model.embed.weight', 'lm_head.weight'])
  '.'
  >>> separator(['block_1.5/kernel', 'scale.0'])
  '/'
  """
  names = list(names)
  found = '/' if any('/' in name for name in names) else '.'
  for name in names:
    _check(name, found)
  return found


def leaf(name: str, mark: str) -> str:
  """Returns the leaf's name of a name in a file.

  >>> leaf('model.embed.weight', '.')
  'model/embed/weight'
  """
  return name.replace(mark, '/')


def stored(name: str, mark: str) -> str:
  """Returns the name in a file of a leaf's name.

  >>> stored('model/embed/weight', '.')
  'model.embed.weight'
  """
  return name.replace('/', mark)


def _check(name: str, mark: str) -> None:
  parts = name.split(mark)
  if not all(parts) or '..' in parts or '.' in parts:
    raise manifest.Damaged(f'the name {name[:80]!r} has a part that is no name')
  if _WRONG.search(name) or len(name) > LONGEST:
    raise manifest.Damaged(
      f'the name {name[:80]!r} has a control character, a backslash, or more '
      f'than {LONGEST} characters'
    )
  try:
    name.encode()
  except UnicodeEncodeError:
    raise manifest.Damaged(f'the name {name[:80]!r} is no Unicode') from None
