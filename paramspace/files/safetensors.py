"""Parameter trees as safetensors files."""

import os
import pathlib
import secrets
from typing import Any

import ml_dtypes  # noqa: F401  Gives NumPy bfloat16 and float8.
import numpy as np
import safetensors
from safetensors import numpy as numpy_files

from paramspace import base
from paramspace import trees


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
    ValueError: If the file is not what its header says.
    FileNotFoundError: If there is none.
  """
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      leaves = {name: file.get_tensor(name) for name in file.keys()}
  except safetensors.SafetensorError as e:
    raise ValueError(f'{path} cannot be read as safetensors: {e}.') from None
  return trees.nested(leaves)
