"""Whether every file of a sweep is what was written."""

import itertools
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from paramspace.launch import checkpoints
from paramspace.launch import errors
from paramspace.launch import leases
from paramspace.launch import metrics
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch import steps
from paramspace.launch.looking import directory as directories


class Problem(NamedTuple):
  """One file that is not as it should be.

  Attributes:
    path: The file.
    what: What is wrong with it.
    corrupt: Whether it is of a checkpoint.
  """

  path: pathlib.Path
  what: str
  corrupt: bool = False


def problems(directory: directories.Directory) -> Iterator[Problem]:
  """Yields what is wrong in a sweep's directory.

  The checkpoints of a run that is being worked on come and go; they are left
  out.
  """
  index = directory.path / 'sweep.json'
  if index.exists() and not directory.index:
    yield Problem(index, 'is not whole; start the sweep again to write it')
  for name in directory.points:
    folder = directory.run(name)
    if folder.is_dir():
      yield from _run(folder)
  for folder, members in directory.groups():
    if not any(leases.live(directory.run(m)) for m in members):
      yield from _checkpoints(folder)


def code(found: list[Problem]) -> int:
  """Returns the exit code that says how bad it is."""
  if any(problem.corrupt for problem in found):
    return errors.CORRUPT
  return errors.FAILED if found else errors.DONE


def _run(folder: pathlib.Path) -> Iterator[Problem]:
  yield from _links(folder)
  if (folder / 'config.json').exists():
    try:
      points.read(folder)
    except errors.UsageError:
      yield Problem(folder / 'config.json', 'is not the config of this point')
  meta = folder / 'meta.json'
  if meta.exists() and not isinstance(records.read(meta), dict):
    yield Problem(meta, 'is not whole')
  yield from _result(folder)
  yield from _metrics(folder / 'metrics.jsonl')
  for path in sorted(folder.glob('artifacts/*.npz')):
    yield from _artifact(path)
  if not leases.live(folder):
    yield from _checkpoints(folder)


def _links(folder: pathlib.Path) -> Iterator[Problem]:
  """Nothing here is ever written as a link."""
  for path in sorted(folder.rglob('*')):
    if path.is_symlink():
      yield Problem(path, 'is a link, which is never written here')


def _result(folder: pathlib.Path) -> Iterator[Problem]:
  path = folder / 'result.json'
  if not path.exists() or run.result(folder) is not None:
    return
  record = records.read(path)
  if not isinstance(record, dict):
    yield Problem(path, 'is not whole')
  elif not records.sealed(record):
    yield Problem(path, 'was changed: its sha256 does not hold')
  else:
    yield Problem(path, f'is the result of point {record.get("id")!r}')


def _metrics(path: pathlib.Path) -> Iterator[Problem]:
  try:
    steps = [row['step'] for row in metrics.read(path)]
    again = [b for a, b in itertools.pairwise(steps) if b <= a]
  except (OSError, ValueError, KeyError, TypeError) as e:
    yield Problem(path, f'is not readable: {type(e).__name__}: {e}')
    return
  if again:
    yield Problem(path, f'has step {again[0]} out of order')


def _artifact(path: pathlib.Path) -> Iterator[Problem]:
  try:
    # A file of our own: numpy leaves its open where the archive is broken.
    with path.open('rb') as file, np.load(file, allow_pickle=False) as arrays:
      for name in arrays.files:
        _ = arrays[name]  # Reads all of it, and checks its CRC.
  except Exception as e:  # A different one for each kind of harm.
    yield Problem(path, f'is not readable: {type(e).__name__}: {e}')


def _checkpoints(folder: pathlib.Path) -> Iterator[Problem]:
  directory = folder / 'ckpt'
  if not steps.committed(directory):
    return  # Without a need there is no waiting for JAX.
  for step, problem in checkpoints.verify(directory):
    if problem is not None:
      yield Problem(directory / str(step), problem, corrupt=True)
