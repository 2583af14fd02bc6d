"""What differs between two points, or between two sweeps."""

import math
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch.looking import directory as directories

ABSENT = '-'


class Points(NamedTuple):
  """Two points side by side.

  Attributes:
    config: The two values of every flattened key in which they differ.
    results: The two values of every number of their results.
  """

  config: dict[str, tuple[Any, Any]]
  results: dict[str, tuple[Any, Any]]


class Sweeps(NamedTuple):
  """Two sweeps, point by point.

  Attributes:
    only: How many points are in the first only, and in the second only.
    unfinished: How many are in both, and done in one of them or in none.
    equal: How many have the same result in both.
    different: The id of every other point, with the name of the number that
      differs most and by how much; infinity where it is not a number in both.
  """

  only: tuple[int, int]
  unfinished: int
  equal: int
  different: dict[str, tuple[str, float]]


def points(directory: directories.Directory, a: str, b: str) -> Points:
  """Compares two points of one sweep."""
  folders = directory.run(a), directory.run(b)
  first, second = (records.read(f / 'config.json') or {} for f in folders)
  beside = _beside(first, second)
  differing = {k: pair for k, pair in beside.items() if pair[0] != pair[1]}
  return Points(differing, _beside(*map(_numbers, folders)))


def sweeps(a: directories.Directory, b: directories.Directory) -> Sweeps:
  """Compares the points that two sweeps have in common."""
  common = [name for name in a.points if name in set(b.points)]
  only = len(a.points) - len(common), len(b.points) - len(common)
  unfinished, equal, different = 0, 0, {}
  for name in common:
    first, second = _numbers(a.run(name)), _numbers(b.run(name))
    if not first or not second:
      unfinished += 1
      continue
    gaps = {n: _gap(x, y) for n, (x, y) in _beside(first, second).items()}
    worst = max(gaps, key=gaps.get)
    if gaps[worst]:
      different[name] = worst, gaps[worst]
    else:
      equal += 1
  return Sweeps(only, unfinished, equal, different)


def _numbers(folder: Any) -> dict[str, Any]:
  """Status and results of a point; empty if it is not done."""
  record = run.result(folder)
  if record is None:
    return {}
  return {'status': record['status'], **_leaves(record['result'])}


def _leaves(value: Any, name: str = '') -> dict[str, Any]:
  """The values in nested dicts and lists, by dotted names."""
  if isinstance(value, dict) or (isinstance(value, list) and value):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {}
    for key, item in items:
      found |= _leaves(item, f'{name}.{key}' if name else str(key))
    return found
  return {name: value}


def _beside(
  first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
  names = dict.fromkeys([*first, *second])
  return {n: (first.get(n, ABSENT), second.get(n, ABSENT)) for n in names}


def _gap(x: Any, y: Any) -> float:
  """How far two values are apart; two NaNs are equal."""
  if x == y or (x != x and y != y):
    return 0.0
  try:
    gap = abs(x - y)
  except TypeError:
    return math.inf
  return math.inf if math.isnan(gap) else gap
