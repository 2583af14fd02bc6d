"""The `paramspace` command: one function a verb."""

import argparse
import shlex
import sys
from collections.abc import Callable
from collections.abc import Sequence
from typing import NoReturn

from paramspace import resolve
from paramspace.launch import errors

_OVERRIDE = '--config.'
_EXAMPLES = """\
examples:
  paramspace reproduce configs/intrinsic_dimension/digits_fc.py
  paramspace reproduce configs/intrinsic_dimension/mnist_fc.py --scale paper
  paramspace sweep configs/intrinsic_dimension/mnist_fc.py --dry-run
  paramspace run configs/intrinsic_dimension/digits_fc.py --config.seed=1

A command that was stopped continues when it is started again.
exit codes: 0 done, 1 failed or a claim does not hold, 2 the config or the call
is wrong, 3 diverged, 4 a checkpoint is corrupt, 42 stopped and saved.
"""


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
  except KeyboardInterrupt:
    print('\nstopped at once; start again to continue', file=sys.stderr)
    return errors.INTERRUPTED


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


def _call(options: argparse.Namespace) -> tuple:
  return options.config, options.scale, options.overrides, options.workdir


class _Parser(argparse.ArgumentParser):
  """Raises where argparse prints its usage and exits."""

  def error(self, message: str) -> NoReturn:
    raise errors.UsageError(f'{message}; see `{self.prog} --help`.')


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = _Parser(
    prog='paramspace',
    description='Experiments in parameter space.',
    epilog=_EXAMPLES,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  subparsers = parser.add_subparsers(metavar='VERB', required=True)
  for verb in (run, sweep, reproduce, figure):
    _add_verb(subparsers, verb)
  if not argv:
    parser.print_help()
    parser.error('name a verb')
  if not argv[0].startswith('-') and argv[0] not in subparsers.choices:
    raise errors.UsageError(
      resolve.unknown('verb', argv[0], subparsers.choices)
    )
  options, others = parser.parse_known_args(argv)
  options.overrides = [text for text in others if text.startswith(_OVERRIDE)]
  for text in others:
    if text not in options.overrides:
      name = text.partition('=')[0]
      near = resolve.did_you_mean(name, [*options.known, _OVERRIDE])
      raise errors.UsageError(f'No option {text!r} of {argv[0]}{near}')
  return options


def _add_verb(
  subparsers: argparse.Action, verb: Callable[[argparse.Namespace], int]
) -> None:
  about = verb.__doc__.splitlines()[0]
  parser = subparsers.add_parser(
    verb.__name__,
    help=about,
    description=about,
    epilog='--config.KEY=VALUE overrides a value of the config.',
    allow_abbrev=False,
  )
  parser.add_argument('config', metavar='CONFIG', help='a config file, *.py')
  options = [
    parser.add_argument(
      '--scale',
      default='laptop',
      metavar='SCALE',
      help='smoke, laptop (the default) or paper',
    ),
    parser.add_argument(
      '--results' if verb is figure else '--workdir',
      dest='workdir',
      metavar='DIR',
      help='default: runs/<folder of CONFIG>/<name of CONFIG>/SCALE',
    ),
  ]
  if verb in (sweep, reproduce):
    options += [
      parser.add_argument(
        '--executor', metavar='NAME', help='inline, or vmapped where possible'
      ),
      parser.add_argument(
        '--dry-run', action='store_true', help='list the points, run nothing'
      ),
    ]
  known = [name for option in options for name in option.option_strings]
  parser.set_defaults(verb=verb, known=known)
