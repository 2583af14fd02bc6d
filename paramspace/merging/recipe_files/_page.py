"""One YAML page, of which every key is checked."""

import os
import pathlib
import re
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import yaml

from paramspace import trees

LIMIT = 1 << 20  # Bytes, or values; a recipe is a page.

# The scalars of YAML 1.2, in which `on` is text, and 1e-3 a number.
_SCALARS = {
  'null': r'~|null|Null|NULL|',
  'bool': r'true|True|TRUE|false|False|FALSE',
  'int': r'[-+]?(0|[1-9][0-9]*)',
  'float': (
    r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?'
    r'|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)'
  ),
}


class _Loader(yaml.SafeLoader):
  """Makes plain values alone, from a page that says everything once."""

  def construct_mapping(
    self, node: yaml.MappingNode, deep: bool = False
  ) -> dict[str, Any]:
    """Refuses keys that are not text, or come twice."""
    seen = set()
    for at, _ in node.value:
      key = self.construct_object(at, deep=True)
      if not isinstance(key, str):
        problem = f'the key {key!r} is no text: write it in quotes'
      elif key in seen:
        problem = f'the key {key!r} comes twice'
      else:
        seen.add(key)
        continue
      raise yaml.constructor.ConstructorError(
        None, None, problem, at.start_mark
      )
    return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
  None: [
    (f'tag:yaml.org,2002:{kind}', re.compile(f'(?:{pattern})$'))
    for kind, pattern in _SCALARS.items()
  ]
}


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns what a page says.

  Args:
    path: Of one YAML document, an object.

  Raises:
    ValueError: If it is not that; says where.
    OSError: If it cannot be read.
  """
  content = pathlib.Path(path).read_bytes()
  if len(content) > LIMIT:
    raise ValueError(f'{path} has {len(content)} bytes; a recipe is one page.')
  try:
    page = yaml.load(content, _Loader)
  except yaml.MarkedYAMLError as e:
    line = e.problem_mark.line + 1 if e.problem_mark else 1
    raise ValueError(f'{path}, line {line}: {e.problem}.') from None
  except yaml.YAMLError as e:
    problem = str(e).splitlines()[0]
    raise ValueError(f'{path} is no YAML: {problem}.') from None
  if not isinstance(page, dict):
    raise ValueError(f'{path} is no recipe: it has no keys.')
  _check_size(path, page)
  return page


def _check_size(path: str | os.PathLike[str], page: dict[str, Any]) -> None:
  """Raises if aliases, which may be within themselves, make it endless."""
  left, count = [page], 0
  while left and count < LIMIT:
    at, count = left.pop(), count + 1
    if isinstance(at, dict):
      left.extend(at.values())
    elif isinstance(at, list):
      left.extend(at)
  if left:
    raise ValueError(f'{path}: its aliases have no end; write them out.')


def check_keys(
  where: str, given: Any, known: Collection[str], required: Collection[str] = ()
) -> None:
  """Raises unless `given` is an object with these keys and no others."""
  if not isinstance(given, Mapping):
    raise ValueError(f'{where}: here belong {sorted(known)}, got {given!r}.')
  for key in given:
    check_name(where, key, known)
  for key in required:
    if given.get(key) is None:
      raise ValueError(f'{where}: {key!r} is missing.')


def check_name(where: str, name: str, known: Collection[str]) -> None:
  """Raises ValueError unless a name is known; says which is nearest."""
  if name not in known:
    (near,) = trees.nearest(name, sorted(known), n=1)
    raise ValueError(
      f'{where}: no {name!r}; the nearest is {near!r}. There are '
      f'{", ".join(sorted(known))}.'
    )


def number(where: str, value: Any) -> float:
  """Returns a finite number as it is.

  Raises:
    ValueError: If it is none.
  """
  plain = isinstance(value, int | float) and not isinstance(value, bool)
  if not plain or not abs(value) < float('inf'):
    raise ValueError(f'{where} must be a finite number, got {value!r}.')
  return value


def text(where: str, value: Any) -> str:
  """Returns a text as it is.

  Raises:
    ValueError: If it is none, or empty.
  """
  if not isinstance(value, str) or not value:
    raise ValueError(f'{where} must be text, got {value!r}.')
  return value
