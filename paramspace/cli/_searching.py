"""The verb that searches where others sweep."""

import argparse

from paramspace.cli import _parsing
from paramspace.launch import errors

_SHOWN = 10


def search(options: argparse.Namespace) -> int:
  """Looks for the best config, by the config's `search(trial)`."""
  from paramspace.launch import search as searches
  from paramspace.launch import terminal

  if options.trials < 1:
    raise errors.UsageError(f'--trials is at least 1, got {options.trials}.')
  made = searches.Search(
    options.config,
    options.scale,
    options.overrides,
    options.workdir,
    options.jobs,
  )
  ranked = made.run(options.trials)
  terminal.table(
    [
      {'trial': t.number, made.quantity: t.value, **t.changes, 'point': t.id}
      for t in ranked[:_SHOWN]
    ]
  )
  best = ranked[0]
  if best.value is None:
    terminal.line('Every trial diverged.')
    return errors.DIVERGED
  terminal.line(
    f'best of {len(ranked)}: {made.quantity} = {best.value:.4g}, with '
    + ' '.join(f'--config.{k}={v}' for k, v in best.changes.items())
  )
  return errors.DONE


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parser of this file's verb."""
  parser = _parsing.add(
    subparsers,
    search,
    epilog='--config.KEY=VALUE overrides a value of the config in every trial.',
  )
  parser.add_argument('config', metavar='CONFIG', help='a config file, *.py')
  parser.add_argument(
    '--trials',
    type=int,
    required=True,
    metavar='N',
    help='how many, those of earlier starts included',
  )
  parser.add_argument(
    '--jobs',
    type=int,
    metavar='N',
    help='trials at a time, each in a process; default: one, in this process',
  )
  parser.add_argument(
    '--scale',
    default='laptop',
    metavar='SCALE',
    help='smoke, laptop (the default) or paper',
  )
  parser.add_argument(
    '--workdir',
    metavar='DIR',
    help='default: runs/<folder of CONFIG>/<name of CONFIG>/SCALE/search',
  )
