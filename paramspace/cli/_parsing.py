"""What every verb's parser shares: errors in one line, overrides apart."""

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NoReturn

from paramspace import resolve
from paramspace.launch import errors

OVERRIDE = '--config.'

Verb = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
  """Raises where argparse prints its usage and exits."""

  def error(self, message: str) -> NoReturn:
    """Raises `errors.UsageError` with the message."""
    raise errors.UsageError(f'{message}; see `{self.prog} --help`.')


def add(
  subparsers: argparse.Action, verb: Verb, epilog: str | None = None
) -> Parser:
  """Adds the parser of a verb: a function named and explained like it."""
  about = verb.__doc__.splitlines()[0]
  parser = subparsers.add_parser(
    verb.__name__,
    help=about,
    description=about,
    epilog=epilog,
    allow_abbrev=False,
  )
  parser.set_defaults(verb=verb, own=parser)
  return parser


def parse(
  parser: Parser, verbs: Mapping[str, Parser], argv: Sequence[str]
) -> argparse.Namespace:
  """Returns the options of a call, its `--config.KEY=VALUE` as `overrides`.

  Args:
    parser: The parser of the command.
    verbs: The parsers of the verbs by name.
    argv: The arguments.

  Raises:
    errors.UsageError: If anything is wrong; names the nearest thing that is
      right.
  """
  if not argv:
    parser.print_help()
    parser.error('name a verb')
  if not argv[0].startswith('-') and argv[0] not in verbs:
    raise errors.UsageError(resolve.unknown('verb', argv[0], verbs))
  options, others = parser.parse_known_args(argv)
  options.overrides = [text for text in others if text.startswith(OVERRIDE)]
  if isinstance(getattr(options, 'config', None), list):
    # argparse takes those in front of the first option only.
    options.config += [text for text in others if not text.startswith('-')]
    others = [text for text in others if text.startswith('-')]
  for text in others:
    if text not in options.overrides or not hasattr(options, 'config'):
      known = [s for a in options.own._actions for s in a.option_strings]
      name = text.partition('=')[0]
      near = resolve.did_you_mean(name, [*known, OVERRIDE])
      raise errors.UsageError(f'No option {text!r} of {argv[0]}{near}')
  return options
