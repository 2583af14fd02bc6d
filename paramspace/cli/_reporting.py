"""The verb that writes the page of all kept results."""

import argparse
import pathlib

from paramspace.cli import _bytes
from paramspace.cli import _parsing
from paramspace.launch import errors


def report(options: argparse.Namespace) -> int:
  """Writes the page of all kept results, one static file."""
  from paramspace.launch import report as reports
  from paramspace.launch import terminal

  paths = map(pathlib.Path, (options.out, options.configs, options.results))
  made = reports.write(*paths)
  count = made.tally
  terminal.line(
    f'{made.path}: {_bytes.text(made.size)}, studies: {made.studies}, claims: '
    f'{count.claims}; {count.hold} hold, {count.fail} do not, '
    f'{count.unmeasured} not measured'
  )
  return errors.DONE


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parser of this file's verb."""
  parser = _parsing.add(subparsers, report)
  for name, default, about in (
    ('results', 'experiments/results', 'the folder of the kept results'),
    ('configs', 'configs', 'the folder of the configs'),
    ('out', 'report.html', 'the file that is written'),
  ):
    parser.add_argument(
      f'--{name}',
      default=default,
      metavar='FILE' if name == 'out' else 'DIR',
      help=f'{about}; default: {default}',
    )
