"""Parameter trees as safetensors files."""

import json
import os
import pathlib
import secrets
from typing import Any
from typing import BinaryIO

import ml_dtypes
import numpy as np
import safetensors
from safetensors import numpy as numpy_files

from paramspace import base
from paramspace import trees

_DTYPES = {
  'F64': np.dtype('<f8'),
  'F32': np.dtype('<f4'),
  'F16': np.dtype('<f2'),
  'BF16': np.dtype(ml_dtypes.bfloat16),
  'F8_E4M3': np.dtype(ml_dtypes.float8_e4m3fn),
  'F8_E5M2': np.dtype(ml_dtypes.float8_e5m2),
  'C64': np.dtype('<c8'),
  'BOOL': np.dtype('?'),
  **{f'I{8 * n}': np.dtype(f'<i{n}') for n in (1, 2, 4, 8)},
  **{f'U{8 * n}': np.dtype(f'<u{n}') for n in (1, 2, 4, 8)},
}

_ALIGNED = 64  # Bytes; arrays that lie so are used by JAX without a copy.


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
      NumPy lacks.
    FileNotFoundError: If there is none.
  """
  try:
    with safetensors.safe_open(path, framework='numpy') as checked:
      names = list(checked.keys())
    with open(path, 'rb') as file:
      size = int.from_bytes(file.read(8), 'little')
      header, start = json.loads(file.read(size)), 8 + size
      leaves = {n: _read(file, start, **header[n]) for n in names}
  except safetensors.SafetensorError as e:
    raise ValueError(f'{path} cannot be read as safetensors: {e}.') from None
  return trees.nested(leaves)


def _read(
  file: BinaryIO,
  start: int,
  dtype: str,
  shape: list[int],
  data_offsets: list[int],
) -> np.ndarray:
  """Reads one array into memory that JAX can use as it is.

  The package maps the file instead: its pages then are in memory too, beside
  copies that JAX has to copy again.
  """
  if dtype not in _DTYPES:
    raise ValueError(f'{file.name} holds {dtype}, not one of {list(_DTYPES)}.')
  first, last = data_offsets
  room = np.empty(last - first + _ALIGNED, np.uint8)
  skip = -room.ctypes.data % _ALIGNED
  content = room[skip : skip + last - first]
  file.seek(start + first)
  file.readinto(content)
  return content.view(_DTYPES[dtype]).reshape(shape)
