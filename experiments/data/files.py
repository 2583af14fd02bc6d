"""Finding a data set's files: a folder given by the user, or the cache."""

import hashlib
import os
import pathlib

from experiments.data import download
from experiments.data import published
from paramspace import resolve

VARIABLE = 'PARAMSPACE_DATA'


def fetch(name: str) -> dict[str, pathlib.Path]:
  """Returns the files of a data set, each checked against its sha256.

  They are taken from `$PARAMSPACE_DATA/<name>/` where that variable is set.
  Otherwise they are downloaded from the publisher, once, into
  `$XDG_CACHE_HOME/paramspace/<name>/` (`~/.cache/paramspace/<name>/`).

  Args:
    name: A key of `published.RELEASES`.

  Returns:
    The path of every file, by its published name.

  Raises:
    ValueError: If there is no such data set, or a file is not what its
      publisher distributes.
    FileNotFoundError: If `$PARAMSPACE_DATA` lacks a file.
    OSError: If no source could be reached.
  """
  if name not in published.RELEASES:
    raise ValueError(resolve.unknown('data set', name, published.RELEASES))
  release = published.RELEASES[name]
  given = os.environ.get(VARIABLE)
  folder = pathlib.Path(given) / name if given else cache() / name
  paths = {file: folder / file for file in release.files}
  missing = [file for file, path in paths.items() if not path.is_file()]
  if missing and given:
    raise FileNotFoundError(
      f'{paths[missing[0]]} does not exist; {VARIABLE}={given} must hold '
      f'{name} as its publisher distributes it ({len(missing)} of '
      f'{len(paths)} files are missing). Put them there, or unset {VARIABLE} '
      'to have them downloaded.'
    )
  if missing:
    download.release(release, missing, folder)
  for file, path in paths.items():
    _check(path, release.files[file])
  return paths


def cache() -> pathlib.Path:
  """Returns the folder that keeps downloaded data sets."""
  home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(home) / 'paramspace'


def _check(path: pathlib.Path, expected: str) -> None:
  """Raises ValueError if the file's sha256 is not the published one."""
  with path.open('rb') as file:
    found = hashlib.file_digest(file, 'sha256').hexdigest()
  if found != expected:
    raise ValueError(
      f'{path} is damaged or another version: its sha256 is {found} '
      f'({path.stat().st_size} bytes), the published one {expected}. Delete '
      'it and fetch it again.'
    )
