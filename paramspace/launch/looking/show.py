"""All that is known of one point."""

import pathlib
from typing import Any
from typing import NamedTuple

from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch import steps
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import states
from paramspace.launch.looking import status


class Shown(NamedTuple):
  """What `paramspace show` prints.

  Attributes:
    id: Of the point.
    state: One of `states.NAMES`.
    config: Values by flattened key.
    result: The whole of `result.json`; None if the point is not done.
    meta: The content of `meta.json`.
    metrics: The last row of `metrics.jsonl`.
    checkpoints: Their steps.
    files: Bytes by path within the folder.
  """

  id: str
  state: str
  config: dict[str, Any]
  result: dict[str, Any] | None
  meta: dict[str, Any]
  metrics: dict[str, Any]
  checkpoints: list[int]
  files: dict[str, int]


def of(directory: directories.Directory, name: str) -> Shown:
  """Returns what is known of a point.

  Args:
    directory: From `directory.look`.
    name: The id of one of its points.
  """
  folder = directory.run(name)
  return Shown(
    name,
    states.survey(directory._replace(points=(name,)))[name],
    records.read(folder / 'config.json') or {},
    run.result(folder),
    records.read(folder / 'meta.json') or {},
    status.last_row(folder / 'metrics.jsonl') or {},
    steps.committed(folder / 'ckpt'),
    dict(_files(folder)),
  )


def _files(folder: pathlib.Path) -> list[tuple[str, int]]:
  """Path and size of every file; a checkpoint has many and counts as one."""
  sizes = {}
  for path in sorted(folder.rglob('*')):
    if path.is_file() and not path.is_symlink():
      parts = path.relative_to(folder).parts
      kept = parts[:2] if parts[0].startswith('ckpt') else parts
      name = '/'.join(kept) + ('/' if len(kept) < len(parts) else '')
      sizes[name] = sizes.get(name, 0) + path.stat().st_size
  return list(sizes.items())
