"""Values that mergekit's pages give by model, by layer and by leaf."""

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace.merging.recipe_files import _page

_FILTER_KEYS = ('filter', 'value')


def check(where: str, settings: Mapping[str, Any], kinds: Mapping[str, type]):
  """Raises unless every setting is a scalar, a gradient or a list of filters.

  Args:
    where: What they belong to, for the message.
    settings: By parameter.
    kinds: By parameter, `float`, `int` or `bool`.

  Raises:
    ValueError: If one is not known or of another form; names it.
  """
  _page.check_keys(where, settings, kinds)
  for name, setting in settings.items():
    if setting == []:
      raise ValueError(f'{where}: {name} has no value.')
    for entry in _entries(f'{where}: {name}', setting):
      for one in _values(entry['value']) or [None]:
        _check_scalar(f'{where}: {name}', one, kinds[name])


def filters(settings: Mapping[str, Any]) -> list[str]:
  """Returns the filters that occur."""
  entries = [e for s in settings.values() for e in _entries('', s)]
  return [e['filter'] for e in entries if e.get('filter') not in (None, '*')]


def graded(settings: Mapping[str, Any]) -> bool:
  """Whether a value may change over the layers."""
  entries = [e for s in settings.values() for e in _entries('', s)]
  return any(isinstance(e['value'], list) for e in entries)


def find(
  scopes: Sequence[Mapping[str, Any] | None],
  parameter: str,
  leaf: str,
  depth: float,
) -> Any:
  """Returns the value of a parameter at a leaf; None if none is given.

  The first scope that has one counts; in a list of filters, the first that
  occurs in the name.

  Args:
    scopes: Settings by parameter, those of the model before those of all.
    parameter: Its name.
    leaf: The leaf's name, '.'-joined.
    depth: Where the layer lies, from 0 for the first to 1 for the last.

  Example:
    >>> setting = [{'filter': 'mlp', 'value': [0, 0.5, 1]}, {'value': 0.3}]
    >>> [find([{'t': setting}], 't', n, 0.25) for n in ('l.0.mlp.w', 'norm.w')]
    [0.25, 0.3]
  """
  for scope in scopes:
    for entry in _entries('', (scope or {}).get(parameter, [])):
      wanted = entry.get('filter')
      if wanted in (None, '*') or wanted in leaf:
        return _at(_values(entry['value']), depth)
  return None


def _at(values: list[Any], depth: float) -> Any:
  """Returns the value there, between two numbers or of a list of choices."""
  place = depth * (len(values) - 1)
  below = int(place)
  if below + 1 == len(values) or isinstance(values[0], bool):
    return values[below]
  part = place - below
  return (1 - part) * values[below] + part * values[below + 1]


def _entries(where: str, setting: Any) -> list[Mapping[str, Any]]:
  """Returns any form of a setting as a list of filters."""
  if isinstance(setting, Mapping):
    setting = [setting]
  filtered = isinstance(setting, list) and any(
    isinstance(one, Mapping) for one in setting
  )
  if not filtered:
    return [] if setting == [] else [{'value': setting}]
  for entry in setting:
    _page.check_keys(where, entry, _FILTER_KEYS, ['value'])
    if entry.get('filter') is not None:
      _page.text(f'{where}: filter', entry['filter'])
  return setting


def _values(value: Any) -> list[Any]:
  return value if isinstance(value, list) else [value]


def _check_scalar(where: str, value: Any, kind: type) -> None:
  if kind is bool:
    if not isinstance(value, bool):
      raise ValueError(f'{where} must be true or false, got {value!r}.')
    return
  _page.number(where, value)
  if kind is int and math.floor(value) != value:
    raise ValueError(f'{where} must be an integer, got {value!r}.')
