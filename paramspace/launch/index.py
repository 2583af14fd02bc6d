"""`results.sqlite`: the points of a sweep, to ask questions of.

It is made from the files and is never the truth: it can be deleted at any time.
Two tables hold a row for each point. `points` has `id`, `status`, `executor`,
`group_size`, `seconds`, and `config` and `result` as JSON. `wide` has a column
for every `config.KEY` and `result.NAME` instead. SQLite has no NaN and makes it
NULL in `wide`; sequences are JSON there.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterable
from typing import Any

from paramspace.launch import leases
from paramspace.launch import records
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import export

NAME = 'results.sqlite'
_ABOUT = ('id', 'status', 'executor', 'group_size', 'seconds')


def rebuild(workdir: pathlib.Path) -> pathlib.Path:
  """Writes the index anew, whole or not at all; returns its path."""
  directory = directories.look(workdir)
  path = directory.path / NAME
  with contextlib.closing(sqlite3.connect(':memory:')) as database:
    _fill(database, directory)
    records.write_bytes(path, database.serialize())
  return path


def connect(workdir: pathlib.Path) -> sqlite3.Connection:
  """Returns a connection to read from, to an index of what is there now.

  One that is missing, damaged or older than the files is rebuilt; in memory,
  where the directory cannot be written to.

  Args:
    workdir: The directory of a sweep.
  """
  directory = directories.look(workdir)
  path = directory.path / NAME
  if _made_from(path) != _fingerprint(directory):
    try:
      rebuild(workdir)
    except OSError:
      database = sqlite3.connect(':memory:')
      _fill(database, directory)
      return database
  return _read_only(path)


def _fill(
  database: sqlite3.Connection, directory: directories.Directory
) -> None:
  fingerprint = _fingerprint(directory)  # Before the files are read.
  rows = export.rows(directory)
  names = _columns(rows)
  with database:
    database.execute(f'PRAGMA user_version = {fingerprint}')
    database.execute(
      'CREATE TABLE points (id TEXT PRIMARY KEY, status TEXT, executor TEXT, '
      'group_size INTEGER, seconds REAL, config TEXT, result TEXT)'
    )
    database.executemany(
      'INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?)',
      (
        [*(row[n] for n in _ABOUT), _part(row, 'config'), _part(row, 'result')]
        for row in rows
      ),
    )
    columns = ', '.join(map(_quoted, names.values()))
    database.execute(f'CREATE TABLE wide ({columns})')
    marks = ', '.join('?' * len(names))
    database.executemany(
      f'INSERT INTO wide VALUES ({marks})',
      ([_value(row.get(name)) for name in names] for row in rows),
    )


def _columns(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
  """Names of the columns; SQLite takes 'A' and 'a' to be the same."""
  names, taken = {}, set()
  for name in dict.fromkeys(n for row in rows for n in row) or _ABOUT:
    free = name
    while free.lower() in taken:
      free += '_'
    taken.add(free.lower())
    names[name] = free
  return names


def _part(row: dict[str, Any], part: str) -> str:
  prefix = f'{part}.'
  kept = {k: v for k, v in row.items() if k.startswith(prefix)}
  return records.dumps({k.removeprefix(prefix): v for k, v in kept.items()})


def _value(value: Any) -> Any:
  if isinstance(value, (list, tuple, dict)):
    return records.dumps(value)
  if isinstance(value, int) and abs(value) >= 2**63:
    return str(value)
  return value


def _quoted(name: str) -> str:
  return '"' + name.replace('"', '""') + '"'


def _fingerprint(directory: directories.Directory) -> int:
  """A number that changes when a file does from which the index is made.

  A file that is made, replaced or removed changes its folder's time. A claim
  may end without that: the process died.
  """
  groups = [folder for folder, _ in directory.groups()]
  runs = [directory.run(name) for name in directory.points]
  facts = [directory.points]
  for folder in (*groups, *runs):
    holder = leases.live(folder)
    times = [_time(folder), _time(folder / 'result.json')]
    facts.append((folder.name, *times, holder and holder.nonce))
  digest = hashlib.sha256(json.dumps(facts).encode()).digest()
  return int.from_bytes(digest[:4]) >> 1  # SQLite keeps 31 bits.


def _time(path: pathlib.Path) -> int | None:
  try:
    return os.stat(path).st_mtime_ns
  except OSError:
    return None


def _made_from(path: pathlib.Path) -> int | None:
  """The fingerprint that an index was made from; None if it is unusable."""
  try:
    with contextlib.closing(_read_only(path)) as database:
      (whole,) = database.execute('PRAGMA quick_check(1)').fetchone()
      (made_from,) = database.execute('PRAGMA user_version').fetchone()
      return made_from if whole == 'ok' else None
  except sqlite3.Error:
    return None


def _read_only(path: pathlib.Path) -> sqlite3.Connection:
  uri = f'{path.resolve().as_uri()}?mode=ro'
  return sqlite3.connect(uri, uri=True)
