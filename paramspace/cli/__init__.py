"""The `paramspace` command: one function a verb."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from paramspace.cli import _extracting
from paramspace.cli import _looking
from paramspace.cli import _merging
from paramspace.cli import _parsing
from paramspace.cli import _process
from paramspace.cli import _reporting
from paramspace.cli import _running
from paramspace.cli import _searching
from paramspace.launch import errors

__all__ = ['command', 'main']

_EXAMPLES = """\
examples:
  paramspace reproduce configs/intrinsic_dimension/digits_fc.py
  paramspace reproduce configs/intrinsic_dimension/mnist_fc.py --scale paper
  paramspace sweep configs/intrinsic_dimension/mnist_fc.py --dry-run
  paramspace run configs/intrinsic_dimension/digits_fc.py --config.seed=1
  paramspace merge recipe.yaml merged/ --dry-run
  paramspace report --out report.html

A command that was stopped continues when it is started again.
exit codes: 0 done, 1 failed or a claim does not hold, 2 the config or the call
is wrong, 3 diverged, 4 a checkpoint is corrupt, 42 stopped and saved.
"""


def command() -> NoReturn:
  """Runs the command that the process was started with, and ends it."""
  code = main()
  _process.leave()
  sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
  """Runs one command.

  Args:
    argv: The arguments after the command's name; None is `sys.argv`'s.

  Returns:
    The exit code, one of those in `launch.errors`.
  """
  argv = list(sys.argv[1:] if argv is None else argv)
  try:
    options = _parse(argv)
    return options.verb(options)
  except errors.Preempted as e:
    again = shlex.join(['paramspace', *argv])
    print(f'stopped, all is saved; continue with: {again}', file=sys.stderr)
    return e.code
  except errors.LaunchError as e:
    print(f'paramspace: {e}', file=sys.stderr)
    return e.code
  except OSError as e:
    if e.errno not in errors.FULL:
      raise
    where = f' for {e.filename}' if e.filename else ''
    print(f'paramspace: {e.strerror}{where}; make room.', file=sys.stderr)
    return errors.FAILED
  except KeyboardInterrupt:
    print('\nstopped at once; start again to continue', file=sys.stderr)
    return errors.INTERRUPTED


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = _parsing.Parser(
    prog='paramspace',
    description='Experiments in parameter space.',
    epilog=_EXAMPLES,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  subparsers = parser.add_subparsers(
    metavar='VERB', required=True, parser_class=_parsing.Parser
  )
  _running.add_verbs(subparsers)
  _searching.add_verbs(subparsers)
  _looking.add_verbs(subparsers)
  _merging.add_verbs(subparsers)
  _extracting.add_verbs(subparsers)
  _reporting.add_verbs(subparsers)
  return _parsing.parse(parser, subparsers.choices, argv)
