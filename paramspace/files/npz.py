"""The leaves of an .npz archive, one member each."""

import math
import pathlib
import struct
import zipfile
from collections.abc import Callable

import numpy as np
from numpy.lib import format as npy

from paramspace.files import disk
from paramspace.files import manifest

_SUFFIX = '.npy'
_LOCAL = 30  # Bytes of a member's own header, before its name.


def leaves(path: pathlib.Path) -> dict[str, disk.Leaf]:
  """Returns the leaves of an archive, in its order, by their names in it.

  What is stored as it is, is mapped; what is compressed is unpacked whenever it
  is read.

  Raises:
    manifest.Damaged: If it is no such archive, or a member is no array of
      numbers; names the file and the member.
  """
  found = {}
  try:
    with zipfile.ZipFile(path) as archive:
      for info in sorted(archive.infolist(), key=lambda i: i.header_offset):
        name = info.filename.removesuffix(_SUFFIX)
        if name in found:
          raise manifest.Damaged(f'{name!r} is there twice')
        found[name] = _leaf(path, archive, info)
  except (manifest.Damaged, zipfile.BadZipFile, EOFError, struct.error) as e:
    raise manifest.Damaged(f'{path} cannot be read as .npz: {e}.') from None
  except (NotImplementedError, RuntimeError) as e:  # Encrypted, or unknown.
    raise manifest.Damaged(f'{path} cannot be read as .npz: {e}.') from None
  return found


def _leaf(
  path: pathlib.Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> disk.Leaf:
  with archive.open(info) as member:
    try:
      version = npy.read_magic(member)
      read = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
      }
      shape, fortran, dtype = read[version](member)
    except (ValueError, KeyError) as e:
      raise manifest.Damaged(f'{info.filename!r} is no array: {e}') from None
    start = member.tell()
  if dtype.kind not in 'fiubc':
    raise manifest.Damaged(
      f'{info.filename!r} has dtype {dtype}, which is no number; bfloat16 does '
      'not come through .npz, use safetensors'
    )
  size = math.prod(shape) * dtype.itemsize
  if start + size != info.file_size:
    raise manifest.Damaged(
      f'{info.filename!r} takes {start + size} bytes, and has {info.file_size}'
    )
  view = _mapped if info.compress_type == zipfile.ZIP_STORED else _unpacked
  order = 'F' if fortran else 'C'
  return disk.Leaf(
    shape, dtype, path, view(path, info, start, dtype, shape, order)
  )


def _mapped(
  path: pathlib.Path,
  info: zipfile.ZipInfo,
  start: int,
  dtype: np.dtype,
  shape: tuple[int, ...],
  order: str,
) -> Callable[[], np.ndarray]:
  with open(path, 'rb') as file:
    file.seek(info.header_offset)
    local = file.read(_LOCAL)
  # The name and the extra field may be others than in the archive's table.
  lengths = struct.unpack('<HH', local[_LOCAL - 4 :])
  at = info.header_offset + _LOCAL + sum(lengths) + start

  def view() -> np.ndarray:
    if not math.prod(shape):
      return np.zeros(shape, dtype)
    return np.memmap(path, dtype, 'r', at, shape, order)

  return view


def _unpacked(
  path: pathlib.Path,
  info: zipfile.ZipInfo,
  start: int,
  dtype: np.dtype,
  shape: tuple[int, ...],
  order: str,
) -> Callable[[], np.ndarray]:
  def view() -> np.ndarray:
    with zipfile.ZipFile(path) as archive, archive.open(info) as member:
      content = member.read()[start:]
    return np.frombuffer(content, dtype).reshape(shape, order=order)

  return view
