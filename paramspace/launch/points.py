"""Points of a sweep: what they are called, and which share a program."""

import dataclasses
import functools
import hashlib
import json
import math
import pathlib
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import ml_collections

from paramspace import resolve
from paramspace.launch import axes
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import values

NAMED = 'sweep_'


@dataclasses.dataclass(frozen=True)
class Point:
  """One configuration of a study; from `point`, `expand` or `read`.

  Attributes:
    id: 16 hexadecimal digits, a function of the config alone.
    flat: The config's values by flattened key.
  """

  id: str
  flat: Mapping[str, Any] = dataclasses.field(hash=False)

  @functools.cached_property
  def config(self) -> ml_collections.ConfigDict:
    """The locked config, the same in every process that runs the point."""
    return configs.thaw(self.flat)


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


def canonical(flat: Mapping[str, Any]) -> str:
  """Returns a config as canonical JSON: what makes a point this point.

  Keys are sorted. Everything under `execution` only says how to execute and is
  left out.

  Args:
    flat: The config's values by flattened key.

  Raises:
    errors.UsageError: If a value is not a finite number, a string, a boolean,
      None, or a sequence or dict of them.
  """
  _check_json({k: v for k, v in flat.items() if not identifies(k)})
  return _check_json({k: v for k, v in flat.items() if identifies(k)})


def point(config: ml_collections.ConfigDict) -> Point:
  """Returns the point that a config is."""
  return _point(configs.flatten(config))


def read(folder: pathlib.Path) -> Point:
  """Returns the point whose directory this is, from its `config.json`.

  Raises:
    errors.UsageError: If the file is not there, or is not the config of the id
      that the directory is named by.
  """
  path = folder / 'config.json'
  try:
    found = _point(values.frozen(json.loads(path.read_text('utf-8'))))
    if found.id == folder.name:
      return found
  except (OSError, ValueError, AttributeError, errors.UsageError):
    pass
  raise errors.UsageError(
    f'{path} is not the config of point {folder.name}; remove the folder, and '
    'start the sweep again.'
  )


def expand(
  module: types.ModuleType,
  scale: str = configs.DEFAULT_SCALE,
  overrides: Iterable[str] = (),
  sweeps: Sequence[str] | None = None,
) -> list[Point]:
  """Returns the points of a config file's sweep, in its order, each once.

  Args:
    module: The config file, from `config.load`.
    scale: One of `config.SCALES`.
    overrides: As in `config.make`; they hold for every point.
    sweeps: NAME of every `sweep_NAME()` to take the product of. None is
      `sweep()`, and one point where the file defines no sweep at all.

  Raises:
    errors.UsageError: If any name, key or type is wrong, if a key is both
      overridden and swept or is swept twice, or if the sweep is empty.
  """
  overrides = list(overrides)
  config = configs.make(module, scale, overrides)
  override = configs.overriding(config)
  fixed = {configs.split(text)[0] for text in overrides}
  found = {}
  for changes in _swept(module, scale, sweeps):
    for key in sorted(fixed & changes.keys()):
      raise errors.UsageError(
        f'--config.{key} would do nothing: the sweep sets {key!r} itself. Use '
        '`paramspace run` for one point.'
      )
    made = _point(override(changes))
    found.setdefault(made.id, made)
  if not found:
    raise errors.UsageError(f'The sweep in {module.__file__} yields no point.')
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
    flat = point.flat.items()
    static = {k: v for k, v in flat if identifies(k) and k not in vmappable}
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


def identifies(key: str) -> bool:
  """Whether a flattened key is part of what a point is."""
  return key.partition('.')[0] != 'execution'


def _swept(
  module: types.ModuleType, scale: str, sweeps: Sequence[str] | None
) -> Iterable[Mapping[str, Any]]:
  """Returns the changes of every point."""
  names = [n.removeprefix(NAMED) for n in dir(module) if n.startswith(NAMED)]
  if sweeps is None:
    if hasattr(module, 'sweep'):
      return configs.sweep(module, 'sweep', scale)
    if names:
      raise errors.UsageError(
        f'{module.__file__} defines no `sweep()`; choose of its named sweeps: '
        f'{", ".join(names)}.'
      )
    return [{}]
  for name in sweeps:
    if name not in names:
      raise errors.UsageError(resolve.unknown('sweep', name, names))
  chosen = [configs.sweep(module, NAMED + n, scale) for n in sweeps]
  try:
    return axes.product(*chosen)
  except ValueError as e:
    raise errors.UsageError(f'{", ".join(sweeps)}: {e}') from None


def _point(flat: Mapping[str, Any]) -> Point:
  return Point(_digest(canonical(flat)), flat)


def _check_json(flat: Mapping[str, Any]) -> str:
  """Returns the JSON of some values, or names the one that has none."""
  try:
    return _dumps(flat)
  except (TypeError, ValueError):
    key = next(k for k, v in flat.items() if not _fits_json(v))
    raise errors.UsageError(
      f'Config key {key!r} holds {flat[key]!r}, which JSON cannot hold; use '
      'finite numbers, strings, booleans, None, and tuples of them.'
    ) from None


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
