"""What a sweep left behind and needs no more."""

import contextlib
import fnmatch
import os
import pathlib
import shutil
import time
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from paramspace.launch import leases
from paramspace.launch import run
from paramspace.launch import steps
from paramspace.launch.looking import directory as directories

_CUT_OFF = ('*.tmp', '*.orbax-checkpoint-tmp*')
# Of files that no claim protects: seconds after which no one writes them.
_OLD = 3600.0


class Leftover(NamedTuple):
  """A file or a folder to remove.

  Attributes:
    path: Where it is.
    size: Its bytes.
    why: What it is.
    runs: Folders to claim meanwhile, so that no one begins to work there.
  """

  path: pathlib.Path
  size: int
  why: str
  runs: tuple[pathlib.Path, ...] = ()


class _WorkLeft(Exception):
  """Ends a claim in such a way that the next one has a higher number."""


def find(directory: directories.Directory) -> Iterator[Leftover]:
  """Yields what can go, outside of everything that is being worked on.

  These are the files of writes and saves that were cut off, quarantined
  checkpoints, the checkpoints and claims of runs that are done, and groups of
  which all points are done.
  """
  for path in directory.path.glob('*.tmp'):
    if time.time() - path.lstat().st_mtime > _OLD:
      yield _leftover(path, 'unfinished write')
  for name in directory.points:
    folder = directory.run(name)
    if leases.live(folder):
      continue
    if run.done(folder):
      yield from _of_done(folder)
    else:
      yield from _of_unfinished(folder, (folder,))
  for folder, members in directory.groups():
    runs = [directory.run(name) for name in members]
    missing = tuple(r for r in runs if not run.done(r))
    if any(leases.live(r) for r in (folder, *runs)):
      continue
    if missing:
      yield from _of_unfinished(folder, missing)
    else:
      yield _leftover(folder, 'group of which all points are done')


def remove(found: Sequence[Leftover]) -> list[Leftover]:
  """Removes leftovers; returns those that are gone.

  What has been claimed by a process since it was found is left alone.
  """
  removed = []
  for leftover in found:
    runs = [r for r in leftover.runs if not run.done(r)]
    with contextlib.suppress(_WorkLeft), leases.hold(runs) as held:
      if len(held.folders) == len(runs):
        _delete(leftover.path)
        removed.append(leftover)
      if held.folders:
        raise _WorkLeft
  return removed


def _of_done(folder: pathlib.Path) -> Iterator[Leftover]:
  # Manifests first: a manifest without its step would be taken for damage.
  whole = [folder / name for name in ('manifests', 'ckpt', 'ckpt.damaged')]
  for path in whole:
    if path.exists():
      yield _leftover(path, 'checkpoints of a run that is done')
  for path in leases.files(folder):
    yield _leftover(path, 'claim of a run that is done')
  for path in _cut_off(folder):
    if not any(path.is_relative_to(w) for w in whole):
      yield _leftover(path, 'unfinished write')


def _of_unfinished(
  folder: pathlib.Path, runs: tuple[pathlib.Path, ...]
) -> Iterator[Leftover]:
  damaged = folder / 'ckpt.damaged'
  for path in _cut_off(folder):
    if not path.is_relative_to(damaged):
      yield _leftover(path, 'unfinished write', runs)
  whole = set(map(str, steps.committed(folder / 'ckpt')))
  for path in sorted(folder.glob('ckpt/*')):
    if path.name.isdecimal() and path.name not in whole:
      yield _leftover(path, 'save that was not committed', runs)
  if damaged.exists():
    yield _leftover(damaged, 'quarantined checkpoints', runs)


def _cut_off(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields what never got its own name; links are not followed."""
  for parent, folders, files in os.walk(folder):
    for name in sorted([*folders, *files]):
      if any(fnmatch.fnmatch(name, pattern) for pattern in _CUT_OFF):
        yield pathlib.Path(parent, name)
        if name in folders:
          folders.remove(name)


def _leftover(
  path: pathlib.Path, why: str, runs: tuple[pathlib.Path, ...] = ()
) -> Leftover:
  inside = path.rglob('*') if path.is_dir() and not path.is_symlink() else ()
  sizes = [p.lstat().st_size for p in (path, *inside) if not p.is_dir()]
  return Leftover(path, sum(sizes), why, runs)


def _delete(path: pathlib.Path) -> None:
  if path.is_dir() and not path.is_symlink():
    shutil.rmtree(path)
  else:
    path.unlink(missing_ok=True)
