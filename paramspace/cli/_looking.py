"""Verbs that take the directory of a sweep and look at what is there."""

import argparse
import pathlib
import sys
import time
from collections.abc import Mapping
from typing import Any

from paramspace.cli import _parsing
from paramspace.launch import errors


def status(options: argparse.Namespace) -> int:
  """Says how far the sweep is, what runs and what failed."""
  from paramspace.launch import terminal
  from paramspace.launch.looking import status as statuses

  while True:
    found = statuses.of(_look(options))
    counts = [f'{n} {state}' for state, n in found.counts.items() if n]
    terminal.line(f'{", ".join(counts) or "no points"} in {options.dir}')
    terminal.table(found.running)
    terminal.table(found.failed)
    for note in found.notes:
      terminal.line(f'Note: {note}')
    if options.watch is None:
      return errors.DONE
    time.sleep(options.watch)


def show(options: argparse.Namespace) -> int:
  """Prints what is known of one point."""
  from paramspace.launch import terminal
  from paramspace.launch.looking import directory as directories
  from paramspace.launch.looking import show as shows

  directory = _look(options)
  found = shows.of(directory, directories.find(directory, options.id))
  terminal.line(f'{found.id} {found.state}')
  result = dict(found.result or {})
  _section('result', result.pop('result', {}))
  _section('execution', result)
  _section('config', found.config)
  _section('last metrics', found.metrics)
  _section('meta', found.meta)
  if found.checkpoints:
    terminal.line(f'checkpoints: {", ".join(map(str, found.checkpoints))}')
  _section('files', {name: _bytes(n) for name, n in found.files.items()})
  return errors.DONE


def diff(options: argparse.Namespace) -> int:
  """Compares two points of a sweep, or two sweeps point by point."""
  from paramspace.launch import terminal
  from paramspace.launch.looking import diff as diffs
  from paramspace.launch.looking import directory as directories

  directory = _look(options)
  if options.second is None:
    return _diff_sweeps(directory, directories.look(options.first))
  ids = options.first, options.second
  a, b = (directories.find(directory, beginning) for beginning in ids)
  found = diffs.points(directory, a, b)
  for part in ('config', 'results'):
    terminal.table(
      [
        {part: key, a: _text(x), b: _text(y)}
        for key, (x, y) in getattr(found, part).items()
      ]
    )
  return errors.DONE


def verify(options: argparse.Namespace) -> int:
  """Checks that every file of the sweep is what was written."""
  from paramspace.launch import terminal
  from paramspace.launch.looking import verify as checks

  directory = _look(options)
  found = []
  for problem in checks.problems(directory):
    terminal.line(f'{problem.path} {problem.what}')
    found.append(problem)
  verdict = f'{len(found)} problems' if found else 'all is well'
  terminal.line(f'{verdict}: {len(directory.points)} points in {options.dir}')
  return checks.code(found)


def gc(options: argparse.Namespace) -> int:
  """Removes what was left behind and is needed no more."""
  from paramspace.launch import terminal
  from paramspace.launch.looking import leftovers

  found = list(leftovers.find(_look(options)))
  try:
    gone = found if options.dry_run else leftovers.remove(found)
  except OSError as e:
    raise errors.UsageError(
      f'Cannot remove {e.filename}: {e.strerror}; what came before is gone.'
    ) from None
  for leftover in gone:
    terminal.line(f'{leftover.path} ({leftover.why})')
  verb = 'would free' if options.dry_run else 'freed'
  terminal.line(f'{verb} {_bytes(sum(leftover.size for leftover in gone))}')
  return errors.DONE


def export(options: argparse.Namespace) -> int:
  """Writes a row for every point: state, config and result."""
  from paramspace.launch import records
  from paramspace.launch.looking import export as exports

  if options.format == 'parquet' and options.out is None:
    raise errors.UsageError('Parquet is not text; name a file with --out.')
  content = exports.encode(exports.rows(_look(options)), options.format)
  if options.out is None:
    sys.stdout.write(content.decode())
    return errors.DONE
  try:
    records.write_bytes(pathlib.Path(options.out), content)
  except OSError as e:
    raise errors.UsageError(
      f'Cannot write to {options.out}: {e.strerror}; choose another --out.'
    ) from None
  return errors.DONE


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parsers of this file's verbs."""
  for verb in (status, show, diff, verify, gc, export):
    _parsing.add(subparsers, verb).add_argument(
      'dir', metavar='DIR', help='the directory of a sweep'
    )
  parsers = subparsers.choices
  parsers['status'].add_argument(
    '--watch',
    type=_seconds,
    metavar='SECONDS',
    help='say it again so often, until Ctrl-C',
  )
  parsers['show'].add_argument(
    'id', metavar='ID', help='of a point, or the beginning of one'
  )
  parsers['diff'].add_argument(
    'first', metavar='ID|DIR', help='a point, or another sweep'
  )
  parsers['diff'].add_argument(
    'second', nargs='?', metavar='ID', help='the point to compare it with'
  )
  parsers['gc'].add_argument(
    '--dry-run', action='store_true', help='list it, remove nothing'
  )
  parsers['export'].add_argument(
    '--format', default='csv', help='csv (the default), jsonl or parquet'
  )
  parsers['export'].add_argument(
    '--out', metavar='FILE', help='default: the standard output'
  )


def _look(options: argparse.Namespace) -> Any:
  from paramspace.launch.looking import directory

  return directory.look(options.dir)


def _diff_sweeps(a: Any, b: Any) -> int:
  """Prints how two sweeps differ; they do not if the exit code is 0."""
  from paramspace.launch import terminal
  from paramspace.launch.looking import diff as diffs

  found = diffs.sweeps(a, b)
  rows = [
    {'point': name, 'number': number, 'difference': gap}
    for name, (number, gap) in found.different.items()
  ]
  terminal.table(rows)
  terminal.line(
    f'{found.equal} equal, {len(found.different)} different, '
    f'{found.unfinished} unfinished; {found.only[0]} only in {a.path}, '
    f'{found.only[1]} only in {b.path}'
  )
  same = not found.different and not found.unfinished and not any(found.only)
  return errors.DONE if same else errors.FAILED


def _section(title: str, values: Mapping[str, Any]) -> None:
  from paramspace.launch import terminal

  if values:
    terminal.line(f'{title}:')
  for key, value in values.items():
    terminal.line(f'  {key} = {_text(value)}')


def _text(value: Any) -> str:
  from paramspace.launch import records

  plain = isinstance(value, (str, float))
  return str(value) if plain else records.dumps(value)


def _bytes(count: int) -> str:
  units = ['bytes', 'KiB', 'MiB', 'GiB']
  power = min(max(count.bit_length() - 1, 0) // 10, len(units) - 1)
  return f'{count / 1024**power:.{bool(power):d}f} {units[power]}'


def _seconds(text: str) -> float:
  seconds = float(text)
  if not 0 < seconds < float('inf'):
    raise ValueError
  return seconds
