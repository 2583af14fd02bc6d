"""`metrics.jsonl`: one line for every logged step, each step once.

A process may be killed in the middle of a line, and start again at an earlier
step. So what follows the last newline is no row, and a row replaces those of
its own and of later steps that an earlier start has left.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import BinaryIO

from paramspace.launch import records

_BLOCK = 2**16


def append(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
  """Appends rows and hands them to the operating system.

  Args:
    path: The file; made if it is not there.
    rows: Numbers by name, with their 'step', in rising order. A first row of
      the step that the file ends with is merged into it; rows of later steps
      are removed.
  """
  if not rows:
    return
  first, *others = rows
  with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), 'r+b') as file:
    start, last = _last(file)
    while last is not None and last['step'] > first['step']:
      file.truncate(start)
      start, last = _last(file)
    if last is not None and last['step'] == first['step']:
      first = last | first
    else:
      start = _end(file)
    lines = (records.dumps(dict(row)) + '\n' for row in (first, *others))
    file.seek(start)
    # Over the old bytes, which it repeats, so that no moment lacks the row.
    file.write(''.join(lines).encode())
    file.truncate()


def read(path: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the rows of a file; an absent file has none.

  A last line that a killed process left unfinished is not a row.

  Raises:
    ValueError: If another line is not JSON; names it.
  """
  return [row for row, _ in _rows(path)]


def truncate(path: pathlib.Path, step: int) -> None:
  """Keeps the rows up to and including `step`, so that none comes twice."""
  if path.exists():
    kept = [line for row, line in _rows(path) if row['step'] <= step]
    records.write_bytes(path, b''.join(kept))


def _rows(path: pathlib.Path) -> list[tuple[dict[str, Any], bytes]]:
  """Returns the rows and their lines."""
  if not path.exists():
    return []
  found = []
  *lines, _ = path.read_bytes().split(b'\n')
  for number, line in enumerate(lines, 1):
    try:
      found.append((records.loads(line.decode()), line + b'\n'))
    except (json.JSONDecodeError, UnicodeDecodeError) as e:
      reason = e.msg if isinstance(e, json.JSONDecodeError) else e.reason
      raise ValueError(
        f'{path}, line {number} is not JSON ({reason}); remove the line.'
      ) from None
  return found


def _last(file: BinaryIO) -> tuple[int, dict[str, Any] | None]:
  """Returns where the last row begins, and the row; (0, None) without one."""
  end = _end(file)
  if not end:
    return 0, None
  start = _after_newline(file, end - 1)
  file.seek(start)
  return start, records.loads(file.read(end - start).decode())


def _end(file: BinaryIO) -> int:
  """Returns where the last whole line ends."""
  return _after_newline(file, file.seek(0, os.SEEK_END))


def _after_newline(file: BinaryIO, end: int) -> int:
  """Returns the place behind the last newline before `end`, or 0."""
  while end:
    start = max(0, end - _BLOCK)
    file.seek(start)
    found = file.read(end - start).rfind(b'\n')
    if found >= 0:
      return start + found + 1
    end = start
  return 0
