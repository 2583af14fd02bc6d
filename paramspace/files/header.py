"""The header of a safetensors file: parsed and checked, or planned.

A file is the length of the header, 8 bytes; the header, JSON; then the values
of the leaves, one after another. All of the header is checked against the size
of the file before a value is read.
"""

import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import ml_dtypes
import numpy as np

from paramspace.files import manifest

DTYPES = {
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

LARGEST = 100_000_000  # Bytes of a header, as the format has it.
AXES = 32
METADATA = '__metadata__'


class Entry(NamedTuple):
  """Where the values of one leaf are.

  Attributes:
    dtype: Of its values.
    shape: Its shape.
    start: The place of its first byte in the file.
    stop: That after its last.
  """

  dtype: np.dtype
  shape: tuple[int, ...]
  start: int
  stop: int


class Header(NamedTuple):
  """What a file holds.

  Attributes:
    entries: By name, in the order of the file.
    metadata: What the writer says of the file.
    size: The bytes of the whole file.
  """

  entries: dict[str, Entry]
  metadata: dict[str, str]
  size: int


def read(path: str | os.PathLike[str]) -> Header:
  """Reads the header of a file, and nothing else.

  Raises:
    manifest.Damaged: If the file is not what its header says; a ValueError,
      which names the file and the leaf.
    OSError: If there is no such file.
  """
  path = pathlib.Path(path)
  with open(path, 'rb') as file:
    size = os.fstat(file.fileno()).st_size
    first = file.read(8)
    length = int.from_bytes(first, 'little')
    wrong = _wrong_length(len(first), length, size)
    if wrong:
      raise _damaged(path, wrong)
    text = file.read(length)
  try:
    return parse(text, size)
  except manifest.Damaged as e:
    raise _damaged(path, str(e)) from None


def parse(text: bytes, size: int) -> Header:
  """Checks the header of a file of so many bytes.

  Raises:
    manifest.Damaged: If it does not describe all of the file, each byte once.
  """
  rows = _json(text)
  metadata = rows.pop(METADATA, {})
  if not _is_text(metadata):
    raise manifest.Damaged(f'{METADATA!r} is no object of texts')
  start = 8 + len(text)
  found = {name: _entry(name, row, start) for name, row in rows.items()}
  entries = dict(sorted(found.items(), key=lambda pair: pair[1][2:]))
  _check_cover(entries, start, size)
  return Header(entries, metadata, size)


def plan(
  leaves: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
  metadata: Mapping[str, str],
) -> tuple[bytes, Header]:
  """Lays out a file before there are any values.

  Args:
    leaves: Dtype and shape by name, in the order that the file is to have.
    metadata: Texts to keep in it.

  Returns:
    The first bytes of the file, and what they say.

  Raises:
    TypeError: If the format has no such dtype; names the leaf.

  Example:
    >>> first, header = plan({'w': (np.dtype('<f4'), (2, 3))}, {})
    >>> header.entries['w'].stop - header.entries['w'].start
    24
    >>> len(first) % 8
    0
  """
  names = {dtype: name for name, dtype in DTYPES.items()}
  rows = {METADATA: dict(metadata)} if metadata else {}
  at = 0
  for name, (dtype, shape) in leaves.items():
    if np.dtype(dtype) not in names:
      raise TypeError(f'Leaf {name!r}: safetensors has no {dtype}.')
    stop = at + math.prod(shape) * np.dtype(dtype).itemsize
    known = names[np.dtype(dtype)]
    row = {'dtype': known, 'shape': list(shape), 'data_offsets': [at, stop]}
    rows[name], at = row, stop
  text = json.dumps(rows, separators=(',', ':')).encode()
  text += b' ' * (-len(text) % 8)  # So that values begin at a multiple of 8.
  first = len(text).to_bytes(8, 'little') + text
  return first, parse(text, len(first) + at)


def _wrong_length(read: int, length: int, size: int) -> str:
  """Says what is wrong with the first bytes; empty if nothing is."""
  if read < 8:
    return f'it has {size} bytes, less than the length of a header'
  if length > LARGEST:
    return f'a header of {length} bytes is more than {LARGEST}'
  if 8 + length > size:
    return f'a header of {length} bytes does not fit in {size}'
  return ''


def _json(text: bytes) -> dict[str, Any]:
  def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
      names = [name for name, _ in pairs]
      twice = next(n for n in names if names.count(n) > 1)
      raise manifest.Damaged(f'{twice!r} is there twice')
    return found

  try:
    rows = json.loads(text.decode(), object_pairs_hook=once)
  except manifest.Damaged:
    raise
  except (ValueError, RecursionError) as e:
    raise manifest.Damaged(f'its header is no JSON: {e}') from None
  if not isinstance(rows, dict):
    raise manifest.Damaged('its header is no object')
  return rows


def _entry(name: str, row: Any, start: int) -> Entry:
  """Checks what is said of one leaf, for itself."""
  if not isinstance(row, dict) or set(row) != {
    'dtype',
    'shape',
    'data_offsets',
  }:
    raise manifest.Damaged(
      f'leaf {name!r} should have a dtype, a shape and data_offsets, got '
      f'{str(row)[:80]}'
    )
  dtype, shape, offsets = row['dtype'], row['shape'], row['data_offsets']
  if not isinstance(dtype, str) or dtype not in DTYPES:
    raise manifest.Damaged(
      f'leaf {name!r} has dtype {str(dtype)[:80]!r}, not one of {list(DTYPES)}'
    )
  if not _is_counts(shape) or len(shape) > AXES:
    raise manifest.Damaged(f'leaf {name!r} has shape {str(shape)[:80]}')
  if not _is_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
    raise manifest.Damaged(f'leaf {name!r} has offsets {str(offsets)[:80]}')
  wanted = math.prod(shape) * DTYPES[dtype].itemsize
  if offsets[1] - offsets[0] != wanted:
    raise manifest.Damaged(
      f'leaf {name!r}, {dtype}{shape}, takes {wanted} bytes, and has '
      f'{offsets[1] - offsets[0]}'
    )
  place = start + offsets[0], start + offsets[1]
  return Entry(DTYPES[dtype], tuple(shape), *place)


def _check_cover(entries: Mapping[str, Entry], start: int, size: int) -> None:
  """Raises unless the leaves cover the file: no overlap, no gap, no rest."""
  at, before = start, 'the header'
  for name, entry in entries.items():
    if entry.start != at:
      what = 'overlaps' if entry.start < at else 'leaves a gap after'
      raise manifest.Damaged(f'leaf {name!r} {what} {before}')
    if entry.stop > size:
      raise manifest.Damaged(
        f'leaf {name!r} ends at byte {entry.stop} of {size}; the file is cut '
        'off'
      )
    at, before = entry.stop, f'leaf {name!r}'
  if at != size:
    raise manifest.Damaged(f'{size - at} bytes after {before} are of no leaf')


def _is_counts(value: Any) -> bool:
  return isinstance(value, list) and all(
    type(x) is int and 0 <= x < 1 << 63 for x in value
  )


def _is_text(value: Any) -> bool:
  return isinstance(value, dict) and all(
    isinstance(text, str) for text in value.values()
  )


def _damaged(path: pathlib.Path, wrong: str) -> manifest.Damaged:
  return manifest.Damaged(f'{path} cannot be read as safetensors: {wrong}.')
