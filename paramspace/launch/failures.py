"""What failed while a sweep went on: kept in a file, and named at the end."""

import pathlib
import traceback
from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple

from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import terminal

LOG = 'error.log'
RECORD = 'failure.json'

_SIGNALS = 128
_MEANING = {134: '(aborted)', 137: '(killed)', 139: '(segmentation fault)'}
_TAIL = 4000  # Characters of a log to show.


class Failure(NamedTuple):
  """Points whose study raised what no one expected.

  The exception itself is not kept: its frames would hold the arrays of the
  program that failed, while the next one needs the memory.

  Attributes:
    points: The ids of the points.
    reason: Type and message of the exception, in one line.
    traceback: All of it.
    log: The file that holds the traceback.
  """

  points: tuple[str, ...]
  reason: str
  traceback: str
  log: pathlib.Path


def record(
  folder: pathlib.Path, members: Iterable[points.Point], error: Exception
) -> Failure:
  """Writes the traceback to `error.log` and says that the sweep goes on.

  Args:
    folder: Of the point or the group.
    members: The points that have no result now.
    error: What was raised.

  Raises:
    errors.NoRoom: If it is about a full disk: no point would end better.
  """
  if isinstance(error, OSError) and error.errno in errors.FULL:
    raise errors.NoRoom(
      f'{error.strerror} in {folder}; make room and start again.'
    ) from error
  ids = tuple(p.id for p in members)
  text = ''.join(traceback.format_exception(error))
  reason = f'{type(error).__name__}: {error}'.splitlines()[0].rstrip(': ')
  failure = Failure(ids, reason, text, folder / LOG)
  if distributed.is_main():
    records.write_text(failure.log, text)
  terminal.line(f'Failed, going on: {failure.reason} ({failure.log})')
  return failure


def give_up(folder: pathlib.Path, code: int, attempts: int) -> Failure:
  """Writes `failure.json` for a point whose process ended without a result.

  Args:
    folder: Of the point.
    code: The exit code.
    attempts: How often it was started.
  """
  log = next(
    (p for n in (LOG, 'log.txt') if (p := folder / n).exists()), folder
  )
  text = log.read_text(errors='replace') if log.is_file() else ''
  last = text.strip().rpartition('\n')[2]
  reason = f'exit code {code} {_MEANING.get(code, "")}'.rstrip()
  reason = f'{reason}: {last}' if last and code < _SIGNALS else reason
  about = {'code': code, 'attempts': attempts, 'reason': reason}
  records.write(folder / RECORD, about)
  terminal.line(f'Failed, going on: point {folder.name}, {reason} ({log})')
  return Failure((folder.name,), reason, text[-_TAIL:], log)


def clear(folder: pathlib.Path) -> None:
  """Removes what an earlier start left."""
  for name in (LOG, RECORD):
    (folder / name).unlink(missing_ok=True)


def describe(failures: Sequence[Failure]) -> str:
  """Returns a line that counts, and one for every failure."""
  count = sum(len(f.points) for f in failures)
  noun = 'point' if count == 1 else 'points'
  lines = [f'{count} {noun} failed; start again to try again.']
  for failure in failures:
    first, *others = failure.points
    more = f' and {len(others)} more' if others else ''
    lines.append(f'  {first}{more}: {failure.reason} ({failure.log})')
  return '\n'.join(lines)
