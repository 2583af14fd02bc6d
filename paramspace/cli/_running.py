"""Verbs that take a config file and run it."""

import argparse
from typing import Any

from paramspace.cli import _parsing
from paramspace.launch import errors
from paramspace.launch import executors
from paramspace.launch import profiling


def run(options: argparse.Namespace) -> int:
  """Runs the config itself, one point, and prints its result."""
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  window = profiling.parse(options.profile) if options.profile else None
  chosen = executors.Options(profile=window)
  one = sweeps.prepare_point(*_call(options), chosen)
  (found,) = sweeps.run(one, options.distributed)
  terminal.table([found['result']])
  terminal.line(f'{found["status"]}: {one.workdir / "runs" / found["id"]}')
  return errors.DIVERGED if found['status'] == 'diverged' else errors.DONE


def sweep(options: argparse.Namespace) -> int:
  """Runs what is missing of the config's sweep."""
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  whole = _prepare(options)
  if options.dry_run:
    terminal.line(sweeps.outline(whole))
    return errors.DONE
  sweeps.write_index(whole)
  results = sweeps.run(whole, options.distributed)
  diverged = sum(r['status'] == 'diverged' for r in results)
  terminal.line(f'{len(results) - diverged} done, {diverged} diverged')
  return errors.DIVERGED if diverged == len(results) else errors.DONE


def reproduce(options: argparse.Namespace) -> int:
  """Runs the sweeps of configs, draws their figures and checks their claims."""
  from paramspace.launch import reproduce as reproductions
  from paramspace.launch import several
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  paths = _paths(options)
  if options.all or len(paths) > 1:
    _check_shared(options, len(paths))
    members = several.prepare(
      paths, options.scale, options.workdir, _executor(options)
    )
    if options.dry_run:
      terminal.table(several.outline(members))
      return errors.DONE
    return several.reproduce(members)
  (options.config,) = paths
  whole = _prepare(options)
  if options.dry_run:
    terminal.line(sweeps.outline(whole))
    return errors.DONE
  return reproductions.reproduce(whole).code


def figure(options: argparse.Namespace) -> int:
  """Draws the config's figure again from results that are there."""
  from paramspace.launch import reproduce as reproductions
  from paramspace.launch import sweep as sweeps
  from paramspace.launch import terminal

  whole = sweeps.prepare(*_call(options))
  if reproductions.is_kept(whole):
    return reproductions.redraw(whole).code
  results = sweeps.results(whole)
  if not results:
    raise errors.UsageError(
      f'No results of {options.config} in {whole.workdir}; run `paramspace '
      f'sweep {options.config}` first, or name another --results.'
    )
  code = reproductions.conclude(whole, results).code
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


def _prepare(options: argparse.Namespace) -> Any:
  from paramspace.launch import sweep as sweeps

  named = options.sweep.split(',') if options.sweep else None
  return sweeps.prepare(*_call(options), _executor(options), named)


def _executor(options: argparse.Namespace) -> executors.Options:
  return executors.Options(
    options.executor, options.jobs, options.hosts, options.resource
  )


def _paths(options: argparse.Namespace) -> list[str]:
  """Returns the configs that are named, or all there are."""
  from paramspace.launch import several

  if not options.all:
    if options.config:
      return options.config
    raise errors.UsageError('Name a CONFIG to reproduce, or --all of them.')
  if options.config:
    raise errors.UsageError(
      f'--all is every config; leave out {options.config[0]}, or --all.'
    )
  return several.find()


def _check_shared(options: argparse.Namespace, count: int) -> None:
  """Raises if there are options that are about one config only."""
  given = options.overrides[:1] + (['--sweep'] if options.sweep else [])
  if given:
    raise errors.UsageError(
      f'{given[0]} is about one config, and {count} are to be reproduced; '
      'start each with its own.'
    )


def _add(subparsers: argparse.Action, verb: _parsing.Verb) -> None:
  parser = _parsing.add(
    subparsers,
    verb,
    epilog='--config.KEY=VALUE overrides a value of the config.',
  )
  if verb is reproduce:
    _add_configs(parser)
  else:
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
    help='default: runs/<folder of CONFIG>/<name of CONFIG>/SCALE, or, where '
    'the config names what it has SHARED with others, runs/<SHARED>/SCALE'
    + ('; of several, each has its own below DIR' * (verb is reproduce)),
  )
  if verb is run:
    parser.add_argument(
      '--profile',
      metavar='START:STOP',
      help='trace these steps into the profile/ of the run',
    )
  if verb in (run, sweep):
    parser.add_argument(
      '--distributed',
      default='off',
      metavar='HOW',
      help='off, auto (TPU slice, Slurm, ...) or COORDINATOR,N,I',
    )
  if verb in (sweep, reproduce):
    _add_sweeping(parser)


def _add_configs(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    'config', metavar='CONFIG', nargs='*', help='config files, *.py'
  )
  parser.add_argument(
    '--all', action='store_true', help='every config with a figure in ./configs'
  )


def _add_sweeping(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--sweep',
    metavar='A,B',
    help='the product of `sweep_A()` and `sweep_B()`; default: `sweep()`',
  )
  parser.add_argument(
    '--executor',
    metavar='NAME',
    help=f'{", ".join(executors.NAMES)}; default: vmapped where possible',
  )
  parser.add_argument(
    '--jobs', type=int, metavar='N', help='points at a time (local, ray, slurm)'
  )
  parser.add_argument(
    '--hosts',
    type=int,
    default=1,
    metavar='N',
    help='processes that run a point together (local, ray, slurm)',
  )
  parser.add_argument(
    '--resource',
    action='append',
    default=[],
    metavar='KEY=VALUE',
    help='what ray (TPU=4) or slurm (partition=gpu) is asked for',
  )
  parser.add_argument(
    '--dry-run', action='store_true', help='list the points, run nothing'
  )
