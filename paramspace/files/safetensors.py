"""Parameter trees as safetensors files."""

import os
import pathlib
import secrets
from typing import Any
from typing import BinaryIO

import numpy as np
import safetensors
from safetensors import numpy as numpy_files

from paramspace import base
from paramspace import trees
from paramspace.files import disk
from paramspace.files import header


def save(path: str | os.PathLike[str], tree: base.Params) -> None:
  """Writes a tree, so that `path` holds all of it or what it held before.

  Args:
    path: The file.
    tree: Arrays, which are stored under their '/'-joined names.

  Raises:
    TypeError: If a leaf has a dtype that the format lacks; names the dtype.
  """
  leaves = {n: np.asarray(x, order='C') for n, x in trees.named(tree).items()}
  path = pathlib.Path(path)
  temporary = path.with_name(f'{path.name}.{secrets.token_hex(4)}.tmp')
  try:
    numpy_files.save_file(leaves, temporary)
    temporary.replace(path)
  except safetensors.SafetensorError as e:
    raise TypeError(f'{path} was not written: {e}.') from None
  finally:
    temporary.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Reads a tree.

  Args:
    path: The file.

  Returns:
    NumPy arrays in nested dicts: what was stored as 'a/b' is `tree['a']['b']`.

  Raises:
    ValueError: If the file is not what its header says, or has a dtype that
      NumPy lacks; names the file and the leaf.
    FileNotFoundError: If there is none.
  """
  found = header.read(path)
  with open(path, 'rb') as file:
    leaves = {n: _read(file, entry) for n, entry in found.entries.items()}
  return trees.nested(leaves)


def _read(file: BinaryIO, entry: header.Entry) -> np.ndarray:
  """Reads one array into memory that JAX can use as it is.

  Mapped, its pages would be in memory too, beside copies that JAX has to copy
  again.
  """
  values = disk.room(entry.shape, entry.dtype)
  file.seek(entry.start)
  file.readinto(values.reshape(-1).view(np.uint8))
  return values
