"""Points of a sweep: what they are called, and which share a program."""

import hashlib
import json
import math
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import ml_collections

from paramspace.launch import config as configs
from paramspace.launch import errors


class Point(NamedTuple):
  """One configuration of a study.

  Attributes:
    id: 16 hexadecimal digits, a function of the config alone.
    config: The locked config.
  """

  id: str
  config: ml_collections.ConfigDict


class Group(NamedTuple):
  """Points that run in one program.

  Attributes:
    id: 16 hexadecimal digits, a function of the points and the size.
    points: All points of the group, whether they are done or not.
    size: How many rows the program has. It is declared from the full sweep and
      does not shrink when some of the points are done, because a program of
      another size gives other bits.
  """

  id: str
  points: tuple[Point, ...]
  size: int


def canonical(config: ml_collections.ConfigDict) -> str:
  """Returns the config as canonical JSON: what makes a point this point.

  Keys are sorted and references resolved. Everything under `execution` only
  says how to execute and is left out.

  Raises:
    errors.UsageError: If a value is not a finite number, a string, a boolean,
      None, or a sequence or dict of them.
  """
  kept = {k: v for k, v in configs.flatten(config).items() if _identifies(k)}
  try:
    return _dumps(kept)
  except (TypeError, ValueError):
    key = next(k for k, v in kept.items() if not _fits_json(v))
    raise errors.UsageError(
      f'Config key {key!r} holds {kept[key]!r}, which JSON cannot hold; use '
      'finite numbers, strings, booleans, None, and tuples of them.'
    ) from None


def point_id(config: ml_collections.ConfigDict) -> str:
  """Returns the name of the point, and of its directory."""
  return _digest(canonical(config))


def expand(
  module: types.ModuleType,
  scale: str = configs.DEFAULT_SCALE,
  overrides: Iterable[str] = (),
) -> list[Point]:
  """Returns the points of a config file's sweep, in its order, each once.

  Args:
    module: The config file, from `config.load`. Without a `sweep()` it is one
      point.
    scale: One of `config.SCALES`.
    overrides: As in `config.make`; they hold for every point.

  Raises:
    errors.UsageError: If any key or type is wrong, if a key is both overridden
      and swept, or if the sweep is empty.
  """
  overrides = list(overrides)
  config = configs.make(module, scale, overrides)
  if not hasattr(module, 'sweep'):
    return [Point(point_id(config), config)]
  fixed = {configs.split(text)[0] for text in overrides}
  found = {}
  for changes in configs.call(module, 'sweep', scale):
    for key in sorted(fixed & changes.keys()):
      raise errors.UsageError(
        f'--config.{key} would do nothing: the sweep sets {key!r} itself. Use '
        '`paramspace run` for one point.'
      )
    changed = configs.override(config, changes)
    point = Point(point_id(changed), changed)
    found.setdefault(point.id, point)
  if not found:
    raise errors.UsageError(f'`sweep()` in {module.__file__} yields no point.')
  return list(found.values())


def groups(
  points: Sequence[Point],
  vmappable: Iterable[str] = (),
  limit: Callable[[ml_collections.ConfigDict], int] | None = None,
) -> list[Group]:
  """Gathers the points that differ in vmappable keys only.

  Args:
    points: All points of the sweep, done or not.
    vmappable: Flattened keys that may differ within one program.
    limit: How many rows like that of a config fit in one program; None if any
      number does.

  Returns:
    The groups, in the order of their first points. A set of points larger than
    `config.execution.group_size` is cut into groups of exactly that size; the
    last of them has fewer points and the same size. Where that is 0, a set
    larger than `limit` is cut as evenly as can be, again in groups of one size.
  """
  vmappable = frozenset(vmappable)
  shared = {}
  for point in points:
    flat = configs.flatten(point.config).items()
    static = {k: v for k, v in flat if _identifies(k) and k not in vmappable}
    shared.setdefault(_dumps(static), []).append(point)
  found = []
  for members in shared.values():
    size = _size(members, limit)
    for start in range(0, len(members), size):
      found.append(group(members[start : start + size], size))
  return found


def group(points: Iterable[Point], size: int) -> Group:
  """Returns the group of these points, as a program of `size` rows."""
  points = tuple(points)
  return Group(_digest(_dumps([size, *(p.id for p in points)])), points, size)


def _size(
  members: Sequence[Point],
  limit: Callable[[ml_collections.ConfigDict], int] | None,
) -> int:
  """Returns the size of the groups into which the members are cut."""
  config = members[0].config
  size = config.get('execution', {}).get('group_size', 0)
  if size < 0:
    raise errors.UsageError(
      f'`execution.group_size` must be 0 (what fits) or positive, got {size}.'
    )
  if size or limit is None or len(members) == 1:
    return min(size or len(members), len(members))
  programs = math.ceil(len(members) / limit(config))
  return math.ceil(len(members) / programs)


def _identifies(key: str) -> bool:
  return key.partition('.')[0] != 'execution'


def _fits_json(value: Any) -> bool:
  try:
    _dumps(value)
  except (TypeError, ValueError):
    return False
  return True


def _dumps(value: Any) -> str:
  return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(
  sort_keys=True, separators=(',', ':'), allow_nan=False
)


def _digest(text: str) -> str:
  return hashlib.sha256(text.encode()).hexdigest()[:16]
