"""The folder of a run's checkpoints: what is in it, and what is not.

`ckpt/<step>/` has the arrays, `manifests/<step>.json` says that they are all
there, and what they are. A step without a manifest was never finished; a
manifest whose step is not what it says is damage, kept in `ckpt.damaged/`.
"""

import pathlib
import shutil

_CUT_OFF = '*.orbax-checkpoint-tmp*'


def manifest(directory: pathlib.Path, step: int) -> pathlib.Path:
  """Returns the place of a step's manifest."""
  return directory.with_name('manifests') / f'{step}.json'


def damaged(directory: pathlib.Path) -> pathlib.Path:
  """Returns the folder of the steps that were set aside."""
  return directory.with_name(f'{directory.name}.damaged')


def committed(directory: pathlib.Path) -> list[int]:
  """Returns the steps that have a manifest, in rising order."""
  try:
    found = list(directory.with_name('manifests').iterdir())
  except (FileNotFoundError, NotADirectoryError):
    return []
  stems = [p.stem for p in found if p.suffix == '.json']
  return sorted(int(stem) for stem in stems if stem.isdecimal())


def remove(directory: pathlib.Path, step: int) -> None:
  """Removes a step; killed in the middle, it leaves none half there."""
  _remove(manifest(directory, step))
  _remove(directory / str(step))


def tidy(directory: pathlib.Path) -> int:
  """Removes what killed processes and failed saves left half written.

  Returns:
    How many files and folders there were to remove.
  """
  whole = {str(step) for step in committed(directory)}
  left = [
    path
    for path in _below(directory)
    if path.match(_CUT_OFF)
    or (path.name.isdecimal() and path.name not in whole)
  ]
  manifests = _below(directory.with_name('manifests'))
  left += [path for path in manifests if path.suffix == '.tmp']
  for path in left:
    _remove(path)
  return len(left)


def clear(directory: pathlib.Path) -> None:
  """Removes all steps, and the folders."""
  _remove(directory.with_name('manifests'))
  _remove(directory)


def set_aside(directory: pathlib.Path, step: int) -> pathlib.Path:
  """Moves a step to where nothing is lost, and nothing reads it.

  Returns:
    A new folder with what there is of `checkpoint` and `manifest.json`.
  """
  aside, number = damaged(directory) / str(step), 1
  while True:
    try:
      aside.mkdir(parents=True)
      break
    except FileExistsError:
      number += 1
      aside = damaged(directory) / f'{step}-{number}'
  moves = {
    directory / str(step): 'checkpoint',
    manifest(directory, step): 'manifest.json',
  }
  for path, name in moves.items():
    if path.exists() or path.is_symlink():
      path.rename(aside / name)
  return aside


def _below(folder: pathlib.Path) -> list[pathlib.Path]:
  return list(folder.iterdir()) if folder.is_dir() else []


def _remove(path: pathlib.Path) -> None:
  """Removes a file, a link or a folder, if it is there."""
  if path.is_dir() and not path.is_symlink():
    shutil.rmtree(path)
  else:
    path.unlink(missing_ok=True)
