"""JSON files that are whole or absent, and strict.

JSON has no NaN or infinity. They are written as the strings 'NaN', 'Infinity'
and '-Infinity', as protobuf does, and read back as the numbers.
"""

import hashlib
import json
import math
import os
import pathlib
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

_SEAL = 'sha256'
_NOT_FINITE = {
  'NaN': math.nan,
  'Infinity': math.inf,
  '-Infinity': -math.inf,
}


def dumps(value: Any, indent: int | None = None) -> str:
  """Returns strict JSON.

  Args:
    value: Dicts with string keys, sequences, strings, booleans, None, numbers,
      and arrays or numpy scalars of size one, which become numbers.
    indent: Spaces of indentation; None for a single line.

  Raises:
    TypeError: If a value is anything else; names it.

  >>> dumps({'loss': float('nan'), 'step': np.int32(3)})
  '{"loss": "NaN", "step": 3}'
  """
  return json.dumps(_plain(value), indent=indent, allow_nan=False)


def loads(text: str) -> Any:
  """Returns the value that `dumps` wrote."""
  return _restored(json.loads(text))


def write(path: pathlib.Path, value: Any) -> None:
  """Writes `value` so that `path` holds all of it, or what it held before."""
  write_text(path, dumps(value, indent=2) + '\n')


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes text in UTF-8 as `write` does."""
  write_bytes(path, text.encode())


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes a file atomically: a temporary file, fsync, rename."""
  path.parent.mkdir(parents=True, exist_ok=True)
  # Of its own: another process may be writing the same file.
  temporary = path.with_name(f'{path.name}.{secrets.token_hex(4)}.tmp')
  with temporary.open('wb') as file:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
  temporary.replace(path)


def read(path: pathlib.Path) -> Any:
  """Returns what `write` wrote; None if there is no file, or no whole one."""
  try:
    return loads(path.read_text(encoding='utf-8'))
  except (FileNotFoundError, ValueError):
    return None


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the record with the digest of all of it under 'sha256'.

  >>> sealed(seal({'loss': 0.5})), sealed(seal({'loss': 0.5}) | {'loss': 0.4})
  (True, False)
  """
  return {**record, _SEAL: _digest(record)}


def sealed(record: Any) -> bool:
  """Whether a record is as it was when it was sealed."""
  if not isinstance(record, dict) or _SEAL not in record:
    return False
  rest = {key: value for key, value in record.items() if key != _SEAL}
  return record[_SEAL] == _digest(rest)


def _digest(record: Mapping[str, Any]) -> str:
  """Returns the sha256 of the record as canonical JSON."""
  plain = _plain(dict(record))
  text = json.dumps(
    plain, sort_keys=True, separators=(',', ':'), allow_nan=False
  )
  return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
  if isinstance(value, dict):
    return {key: _plain(v) for key, v in value.items()}
  if isinstance(value, (list, tuple)):
    return [_plain(v) for v in value]
  if isinstance(value, float):
    return value if math.isfinite(value) else _name(value)
  if value is None or isinstance(value, (str, bool, int)):
    return value
  if getattr(value, 'size', 0) == 1:
    return _plain(np.asarray(value).item())
  raise TypeError(
    f'{value!r} of type {type(value).__name__} is not a number, a string or a '
    'list of them; reduce it first, or save it as an artifact.'
  )


def _name(value: float) -> str:
  return 'NaN' if math.isnan(value) else f'{"-" * (value < 0)}Infinity'


def _restored(value: Any) -> Any:
  if isinstance(value, dict):
    return {key: _restored(v) for key, v in value.items()}
  if isinstance(value, list):
    return [_restored(v) for v in value]
  if isinstance(value, str):
    return _NOT_FINITE.get(value, value)
  return value
