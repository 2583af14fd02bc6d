"""Looking at a folder that someone else may have made, before reading it."""

import os
import pathlib
import stat


class Unsafe(ValueError):
  """The folder holds what no honest writer puts there."""


def regular_files(root: pathlib.Path) -> list[pathlib.Path]:
  """Returns the files below a folder, after a walk that follows nothing.

  A link can show the reader a file that is none of the folder's, and reading a
  fifo or a device need not end. Without links, no name leads out of the root.

  Args:
    root: The folder; the names above it are taken as they are.

  Returns:
    Paths that begin with `root`, sorted.

  Raises:
    Unsafe: If anything below, or the root itself, is not a plain file or a
      plain folder; names it.
    OSError: If a part of it cannot be looked at.
  """
  _check(root, root.lstat().st_mode, stat.S_ISDIR)
  found = []
  for entry in sorted(os.scandir(root), key=lambda e: e.name):
    path = root / entry.name
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
      found += regular_files(path)
    else:
      _check(path, mode, stat.S_ISREG)
      found.append(path)
  return found


def regular_file(path: pathlib.Path) -> pathlib.Path:
  """Returns the path of one file, which is a plain one.

  Raises:
    Unsafe: If it is a link, or no file; names it.
    OSError: If it cannot be looked at.
  """
  _check(path, path.lstat().st_mode, stat.S_ISREG)
  return path


def _check(path: pathlib.Path, mode: int, wanted) -> None:
  if not wanted(mode):
    kind = 'link' if stat.S_ISLNK(mode) else 'special file or folder'
    raise Unsafe(
      f'{path} is a {kind} where a plain '
      f'{"folder" if wanted is stat.S_ISDIR else "file"} belongs; remove it.'
    )
