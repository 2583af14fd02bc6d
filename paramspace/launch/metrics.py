"""`metrics.jsonl`: one line for every logged step, each step once."""

import json
import pathlib
from typing import Any

from paramspace.launch import records


def append(path: pathlib.Path, step: int, scalars: dict[str, Any]) -> None:
  """Appends one row and hands it to the operating system.

  Args:
    path: The file; made if it is not there.
    step: How many steps are behind these numbers.
    scalars: Numbers by name; arrays of size one are numbers.
  """
  row = records.dumps({'step': int(step), **scalars})
  with path.open('a', encoding='utf-8') as file:
    file.write(row + '\n')


def read(path: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the rows of a file; an absent file has none.

  A last line that a killed process left unfinished is not a row.

  Raises:
    ValueError: If another line is not JSON; names it.
  """
  if not path.exists():
    return []
  lines = path.read_text(encoding='utf-8').split('\n')
  rows = []
  for number, line in enumerate(lines[:-1], 1):
    try:
      rows.append(records.loads(line))
    except json.JSONDecodeError as e:
      raise ValueError(
        f'{path}, line {number} is not JSON ({e.msg}); remove the line.'
      ) from None
  return rows


def truncate(path: pathlib.Path, step: int) -> None:
  """Keeps the rows up to and including `step`, so that none comes twice."""
  if not path.exists():
    return
  kept = [row for row in read(path) if row['step'] <= step]
  records.write_text(path, ''.join(records.dumps(r) + '\n' for r in kept))
