"""Arrays that a study keeps: one npz file for each tree."""

import io
import pathlib
import re
import zipfile
from typing import Any

import numpy as np

from paramspace.launch import records

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')


def save(folder: pathlib.Path, name: str, tree: Any) -> pathlib.Path:
  """Writes the leaves of a tree by name, atomically.

  Args:
    folder: Made if it is not there.
    name: The file's name without its ending.
    tree: A pytree of arrays. Floating-point types that numpy files cannot hold
      (bfloat16, float8) are stored as float32, which holds their values; PRNG
      keys are stored as their data.

  Returns:
    The file, `folder/name.npz`.

  Raises:
    ValueError: If the name has other characters than letters, digits and
      '._-', or starts with one of these three.
  """
  from paramspace import trees

  if not _NAME.fullmatch(name):
    raise ValueError(
      f'{name!r} cannot name an artifact; use letters, digits and ._- only.'
    )
  leaves = {n: _host(x) for n, x in trees.named(tree).items()}
  buffer = io.BytesIO()
  np.savez(buffer, **leaves)
  path = folder / f'{name}.npz'
  records.write_bytes(path, buffer.getvalue())
  return path


def load(folder: pathlib.Path, name: str) -> dict[str, Any]:
  """Returns what `save` wrote.

  Args:
    folder: As there.
    name: As there.

  Returns:
    NumPy arrays in nested dicts, in the dtypes in which they were stored.

  Raises:
    FileNotFoundError: If there is no such artifact.
    ValueError: If the file is damaged.
  """
  from paramspace import trees

  path = folder / f'{name}.npz'
  try:
    with path.open('rb') as file, np.load(file) as arrays:
      return trees.nested(dict(arrays))
  except (zipfile.BadZipFile, EOFError) as e:
    raise ValueError(f'{path} is damaged: {e}. Make it again.') from None


def _host(leaf: Any) -> np.ndarray:
  import jax

  if jax.dtypes.issubdtype(getattr(leaf, 'dtype', None), jax.dtypes.prng_key):
    leaf = jax.random.key_data(leaf)
  array = np.asarray(leaf)
  return array.astype(np.float32) if array.dtype.kind == 'V' else array
