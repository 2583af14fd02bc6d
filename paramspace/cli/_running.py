"""Verbs that take a config file and run it."""

import argparse

from paramspace.cli import _parsing
from paramspace.launch import errors


def run(options: argparse.Namespace) -> int:
  """Runs the config itself, one point, and prints its result."""
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  one = sweeps.prepare_point(*_call(options))
  (found,) = sweeps.run(one)
  terminal.table([found['result']])
  terminal.line(f'{found["status"]}: {one.workdir / "runs" / found["id"]}')
  return errors.DIVERGED if found['status'] == 'diverged' else errors.DONE


def sweep(options: argparse.Namespace) -> int:
  """Runs what is missing of the config's sweep."""
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  whole = sweeps.prepare(*_call(options), options.executor)
  if options.dry_run:
    terminal.line(sweeps.outline(whole))
    return errors.DONE
  sweeps.write_index(whole)
  results = sweeps.run(whole)
  diverged = sum(r['status'] == 'diverged' for r in results)
  terminal.line(f'{len(results) - diverged} done, {diverged} diverged')
  return errors.DIVERGED if diverged == len(results) else errors.DONE


def reproduce(options: argparse.Namespace) -> int:
  """Runs the config's sweep, draws its figure and checks its claims."""
  from paramspace.launch import reproduce as reproductions
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  whole = sweeps.prepare(*_call(options), options.executor)
  if options.dry_run:
    terminal.line(sweeps.outline(whole))
    return errors.DONE
  return reproductions.reproduce(whole)


def figure(options: argparse.Namespace) -> int:
  """Draws the config's figure again from results that are there."""
  from paramspace.launch import reproduce as reproductions
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  whole = sweeps.prepare(*_call(options))
  results = sweeps.results(whole)
  if not results:
    raise errors.UsageError(
      f'No results of {options.config} in {whole.workdir}; run `paramspace '
      f'sweep {options.config}` first, or name another --results.'
    )
  code = reproductions.conclude(whole, results)
  lacking = len(whole.points) - len(results)
  if lacking:
    terminal.line(f'{lacking} of {len(whole.points)} points are missing.')
  return errors.FAILED if lacking else code


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parsers of this file's verbs."""
  for verb in (run, sweep, reproduce, figure):
    _add(subparsers, verb)


def _call(options: argparse.Namespace) -> tuple:
  return options.config, options.scale, options.overrides, options.workdir


def _add(subparsers: argparse.Action, verb: _parsing.Verb) -> None:
  parser = _parsing.add(
    subparsers,
    verb,
    epilog='--config.KEY=VALUE overrides a value of the config.',
  )
  parser.add_argument('config', metavar='CONFIG', help='a config file, *.py')
  parser.add_argument(
    '--scale',
    default='laptop',
    metavar='SCALE',
    help='smoke, laptop (the default) or paper',
  )
  parser.add_argument(
    '--results' if verb is figure else '--workdir',
    dest='workdir',
    metavar='DIR',
    help='default: runs/<folder of CONFIG>/<name of CONFIG>/SCALE',
  )
  if verb in (sweep, reproduce):
    parser.add_argument(
      '--executor', metavar='NAME', help='inline, or vmapped where possible'
    )
    parser.add_argument(
      '--dry-run', action='store_true', help='list the points, run nothing'
    )
