"""One row for every point, for other programs: CSV, JSON lines, Parquet."""

import csv
import io
import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace import resolve
from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import states

FORMATS = ('csv', 'jsonl', 'parquet')
EXTRA = 'parquet'
_ABOUT = ('executor', 'group_size', 'seconds')


def rows(directory: directories.Directory) -> list[dict[str, Any]]:
  """Returns a dict for every point, in their order.

  Returns:
    `id`, `status` (a state, see `states.of`), `executor`, `group_size` and
    `seconds` (None until a point is done), then `config.KEY` for every
    flattened key and `result.NAME` for everything that the study returned.
  """
  found = []
  for name, state in states.survey(directory).items():
    folder = directory.run(name)
    record = run.result(folder) or {}
    config = records.read(folder / 'config.json') or {}
    row = {'id': name, 'status': state}
    row |= {key: record.get(key) for key in _ABOUT}
    row |= {f'config.{key}': value for key, value in config.items()}
    row |= {f'result.{k}': v for k, v in record.get('result', {}).items()}
    found.append(row)
  return found


def encode(table: Sequence[Mapping[str, Any]], kind: str) -> bytes:
  """Returns the content of a file with these rows.

  Args:
    table: From `rows`. A column that a row lacks is empty there.
    kind: One of `FORMATS`. Sequences and dicts are JSON text in CSV, and so
      are, in Parquet, columns whose values have no common type.

  Raises:
    errors.UsageError: If there is no such format, or its package is missing.
  """
  if kind not in FORMATS:
    raise errors.UsageError(resolve.unknown('format', kind, FORMATS))
  if kind == 'jsonl':
    return ''.join(records.dumps(row) + '\n' for row in table).encode()
  columns = list(dict.fromkeys(name for row in table for name in row))
  if kind == 'parquet':
    return _parquet(table, columns)
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(columns)
  writer.writerows([_cell(row.get(n)) for n in columns] for row in table)
  return text.getvalue().encode()


def _parquet(
  table: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> bytes:
  try:
    import pyarrow
    from pyarrow import parquet
  except ModuleNotFoundError:
    raise errors.UsageError(
      'Parquet needs pyarrow, which is not installed; run `pip install '
      f'paramspace[{EXTRA}]`, or use --format csv or jsonl.'
    ) from None

  def column(name: str) -> Any:
    values = [row.get(name) for row in table]
    try:
      return pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError):
      return pyarrow.array([_cell(value) for value in values], pyarrow.string())

  arrays = {name: column(name) for name in columns}
  buffer = io.BytesIO()
  parquet.write_table(pyarrow.table(arrays), buffer)
  return buffer.getvalue()


def _cell(value: Any) -> str:
  """The text of a value; a number keeps all of its digits."""
  if value is None:
    return ''
  if isinstance(value, str):
    return value
  if isinstance(value, float) and not math.isfinite(value):
    return str(value)
  return json.dumps(value)
