"""IDX files, the format of MNIST and its successors."""

import gzip
import math
import pathlib
import struct
import zlib

import numpy as np

TYPES = {
  0x08: '>u1',
  0x09: '>i1',
  0x0B: '>i2',
  0x0C: '>i4',
  0x0D: '>f4',
  0x0E: '>f8',
}


def read(path: str | pathlib.Path) -> np.ndarray:
  """Reads an IDX file, plain or gzip-compressed.

  The file starts with two zero bytes, a byte for the type, a byte for the
  rank, and the sizes as big-endian 32-bit integers; then comes the array in
  row-major order.

  Args:
    path: The file.

  Returns:
    The array, read-only, in the byte order of the file.

  Raises:
    ValueError: If the file is not IDX, or shorter or longer than it says.

  References:
    LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist, 'File formats'.
  """
  data = _content(pathlib.Path(path))
  if len(data) < 4 or data[:2] != b'\0\0' or data[2] not in TYPES:
    raise ValueError(
      f'{path} is not an IDX file: it starts with the bytes '
      f'{data[:4].hex(" ")!r}, expected 00 00, a type of '
      f'{", ".join(f"{t:02x}" for t in TYPES)}, and the rank. Fetch it again.'
    )
  dtype, rank = np.dtype(TYPES[data[2]]), data[3]
  start = 4 + 4 * rank
  shape = struct.unpack(f'>{rank}I', data[4:start].ljust(4 * rank, b'\0'))
  expected = start + math.prod(shape) * dtype.itemsize
  if len(data) != expected:
    raise ValueError(
      f'{path} has {len(data)} bytes, but its header (shape {shape}, type '
      f'{dtype.name}) asks for {expected}. It is damaged: fetch it again.'
    )
  return np.frombuffer(data, dtype, offset=start).reshape(shape)


def _content(path: pathlib.Path) -> bytes:
  """Returns the file's bytes, decompressed where they are compressed."""
  data = path.read_bytes()
  if not data.startswith(b'\x1f\x8b'):
    return data
  try:
    return gzip.decompress(data)
  except (EOFError, gzip.BadGzipFile, zlib.error) as error:
    raise ValueError(
      f'{path} ({len(data)} bytes) cannot be decompressed: {error}. It is '
      'damaged: fetch it again.'
    ) from error
