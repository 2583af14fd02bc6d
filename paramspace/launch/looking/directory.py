"""A sweep's directory: which points it has, and where."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from paramspace import resolve
from paramspace.launch import errors
from paramspace.launch import records

_ID = re.compile(r'[0-9a-f]{16}')
_SHOWN = 5


class Directory(NamedTuple):
  """What `sweep.json` and the names of the folders say.

  Attributes:
    path: The directory.
    index: The content of `sweep.json`; empty if there is none.
    points: Ids, in the order of the sweep; then those that only have a folder.
  """

  path: pathlib.Path
  index: dict[str, Any]
  points: tuple[str, ...]

  def run(self, name: str) -> pathlib.Path:
    """Returns the folder of a point, whether it is there or not."""
    return self.path / 'runs' / name

  def groups(self) -> Iterator[tuple[pathlib.Path, tuple[str, ...]]]:
    """Yields the folder and the points of every group that was begun."""
    for folder in _folders(self.path, 'groups'):
      about = records.read(folder / 'group.json')
      members = about.get('members') if isinstance(about, dict) else None
      if isinstance(members, list):
        yield folder, tuple(str(m) for m in members)


def look(path: str | pathlib.Path) -> Directory:
  """Returns what a sweep's directory has.

  Raises:
    errors.UsageError: If it is not the directory of a sweep, or a folder in it
      is a link that leads out of it.
  """
  path = pathlib.Path(path)
  if not (path / 'sweep.json').is_file() and not (path / 'runs').is_dir():
    raise errors.UsageError(
      f'{path} is not the directory of a sweep: it has neither sweep.json nor '
      f'runs/{_below(path)}'
    )
  index = records.read(path / 'sweep.json')
  index = index if isinstance(index, dict) else {}
  listed = [p for p in index.get('points') or () if _ID.fullmatch(str(p))]
  there = [folder.name for folder in _folders(path, 'runs')]
  return Directory(path, index, tuple(dict.fromkeys([*listed, *there])))


def find(directory: Directory, beginning: str) -> str:
  """Returns the id of the one point whose id begins so.

  Raises:
    errors.UsageError: If there is none, or there are several.
  """
  found = [p for p in directory.points if p.startswith(beginning)]
  if len(found) == 1:
    return found[0]
  if not found or not beginning:
    near = resolve.did_you_mean(beginning, directory.points)
    raise errors.UsageError(
      f'No point {beginning!r} in {directory.path}{near} `paramspace status '
      f'{directory.path}` lists what there is.'
    )
  more = ', ...' if len(found) > _SHOWN else ''
  raise errors.UsageError(
    f'{beginning!r} is the beginning of {len(found)} points: '
    f'{", ".join(found[:_SHOWN])}{more}; write more of it.'
  )


def _folders(path: pathlib.Path, kind: str) -> list[pathlib.Path]:
  """The folders of runs or groups; other names are not ours."""
  try:
    found = sorted(p for p in (path / kind).iterdir() if _ID.fullmatch(p.name))
  except (FileNotFoundError, NotADirectoryError):
    return []
  root = path.resolve()
  for folder in found:
    place = folder.resolve()
    if not place.is_relative_to(root):
      raise errors.UsageError(
        f'{folder} is a link to {place}, outside of {path}; remove the link, '
        'or name the directory that it leads to.'
      )
  return [folder for folder in found if folder.is_dir()]


def _below(path: pathlib.Path) -> str:
  """Ends the sentence: with a sweep below the path, if there is one."""
  try:
    near = sorted(
      p.parent for n in (1, 2) for p in path.glob('*/' * n + 'runs')
    )
  except OSError:
    near = []
  if near:
    return f'; did you mean {near[0]}?'
  return '. Name the --workdir of a sweep, by default runs/FOLDER/NAME/SCALE.'
