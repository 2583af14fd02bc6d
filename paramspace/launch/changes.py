"""What has changed in a config since its sweep was started in a directory."""

import itertools
import json
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace.launch import points
from paramspace.launch import records

_OLD, _NEW, _KEYS = 20, 1000, 5  # How many are compared, and named.


def describe(
  workdir: pathlib.Path,
  members: Sequence[points.Point],
  config: str | None = None,
) -> str | None:
  """Returns a line that says how a sweep differs from the one before.

  Args:
    workdir: The sweep's directory.
    members: The points of the sweep that is about to start.
    config: Its config file; another one that shares the directory is not what
      has changed.

  Returns:
    None if none was started there before, or if its points are the same.
    Otherwise how many points are new, how many are in the sweep no more, and in
    which keys the nearest of both differ.
  """
  index = records.read(workdir / 'sweep.json')
  before = index.get('points') if isinstance(index, dict) else None
  if not isinstance(before, list) or index.get('config', config) != config:
    return None
  now = {p.id for p in members}
  gone = [name for name in before if name not in now]
  new = [p for p in members if p.id not in set(before)]
  if not gone and not new:
    return None
  said = f'The sweep in {workdir} has changed: '
  said += f'{len(new)} of {len(members)} points are new'
  if gone:
    said += (
      f', and {len(gone)} of the {len(before)} before are no longer in it; '
      'results of theirs stay there and are not used'
    )
  return f'{said}.{_nearest(workdir, gone, new)}'


def _nearest(
  workdir: pathlib.Path, gone: Sequence[str], new: Sequence[points.Point]
) -> str:
  """Says in what the two most similar configs differ."""
  kept = []
  for name in gone[:_OLD]:
    config = records.read(workdir / 'runs' / str(name) / 'config.json')
    if isinstance(config, dict):
      kept.append(config)
  pairs = itertools.product(kept, new[:_NEW])
  found = min(
    (_differing(old, p.flat) for old, p in pairs), default={}, key=len
  )
  if not found:
    return ''
  each = [f'{k} was {was} and is {now}' for k, (was, now) in found.items()]
  more = f', and {len(each) - _KEYS} more keys' if len(each) > _KEYS else ''
  return f' Between the nearest: {", ".join(each[:_KEYS])}{more}.'


def _differing(
  old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, tuple[str, str]]:
  """The two texts of each key that counts and differs."""
  keys = [k for k in {**old, **new} if points.identifies(k)]
  pairs = {k: (_text(old, k), _text(new, k)) for k in keys}
  return {k: (was, now) for k, (was, now) in pairs.items() if was != now}


def _text(config: Mapping[str, Any], key: str) -> str:
  return json.dumps(config[key]) if key in config else 'absent'
