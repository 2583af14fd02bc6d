"""Reproduces several configs, one after another, whatever happens to one."""

import math
import pathlib
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import executors
from paramspace.launch import records
from paramspace.launch import reproduce as reproductions
from paramspace.launch import run as runs
from paramspace.launch import sweep as sweeps
from paramspace.launch import terminal

CONFIGS = 'configs'
KEPT = 'experiments/results'  # Figures that were kept, of another day.


class Row(NamedTuple):
  """A line of the table at the end.

  Attributes:
    config: The config file.
    points: How many there are, and how many of them diverged.
    claims: How many hold.
    seconds: Of the programs, as in `provenance.seconds`.
    status: 'done', 'claims do not hold', 'diverged' or 'failed'.
  """

  config: str
  points: str = ''
  claims: str = ''
  seconds: float | None = None
  status: str = 'failed'


def find() -> list[str]:
  """Returns the configs below `./configs` that name a `FIGURE`.

  Those whose kept figure took the least time come first, and those of which
  none was kept last.

  Raises:
    errors.UsageError: If there are none, or a config cannot be read.
  """
  paths = sorted(pathlib.Path(CONFIGS).rglob('*.py'))
  found = [p for p in paths if hasattr(configs.load(p), 'FIGURE')]
  if not found:
    raise errors.UsageError(
      f'No config with a FIGURE in ./{CONFIGS}; --all means those. Go where '
      'they are, or name CONFIG ...'
    )
  return [str(p) for p in sorted(found, key=_cost)]


def prepare(
  paths: Sequence[str],
  scale: str,
  workdir: str | None = None,
  options: executors.Options | None = None,
) -> list[sweeps.Sweep]:
  """Reads and checks all configs before the first is run.

  Args:
    paths: The config files.
    scale: One of `config.SCALES`.
    workdir: Each has its own directory below it, which has the config's name or
      what it calls `SHARED`. None is each config's own default.
    options: Which executor; None chooses by the study.

  Raises:
    errors.UsageError: If anything about a config is wrong, or if two that share
      nothing would have the same directory.
  """
  found, owners = [], {}
  for path in dict.fromkeys(paths):
    sweep = sweeps.prepare(path, scale, (), _below(workdir, path), options)
    reproductions.figure_module(sweep)
    shared = getattr(sweep.module, 'SHARED', None)
    owner = owners.setdefault(sweep.workdir, (shared, path))
    if owner[1] != path and (shared is None or shared != owner[0]):
      raise errors.UsageError(
        f'{owner[1]} and {path} would both have {sweep.workdir}; run one of '
        'them with another --workdir.'
      )
    found.append(sweep)
  return found


def reproduce(members: Sequence[sweeps.Sweep]) -> int:
  """Runs what is missing, draws the figures, checks the claims of all.

  A config that fails or diverges does not stop the others.

  Args:
    members: From `prepare`.

  Returns:
    `errors.DONE` if that is how all of them ended, or else `errors.FAILED`.

  Raises:
    errors.Preempted: If a signal stopped one of them; what is done is kept.
    errors.NoRoom: If the disk is full: no other config would end better.
  """
  rows = []
  for i, sweep in enumerate(members, start=1):
    rows.append(_one(sweep, f'[{i}/{len(members)}] {_name(sweep)}'))
  terminal.table([row._asdict() for row in rows])
  count = sum(row.status == 'done' for row in rows)
  terminal.line(f'{count} of {len(rows)} configs are done')
  return errors.DONE if count == len(rows) else errors.FAILED


def outline(members: Sequence[sweeps.Sweep]) -> list[dict[str, Any]]:
  """Returns how much is missing of each config, and where it will be."""
  return [
    {
      'config': _name(sweep),
      'points': len(sweep.points),
      'missing': len(sweeps.missing(sweep)),
      'workdir': str(sweep.workdir),
    }
    for sweep in members
  ]


def _one(sweep: sweeps.Sweep, title: str) -> Row:
  """Reproduces a config; says when it begins, how far it is and how it ends."""
  began, name = time.monotonic(), _name(sweep)
  clock = lambda: _clock(time.monotonic() - began)
  total = len(sweep.points)
  if not terminal.interactive():
    terminal.line(f'{title}: {total} points')
  with terminal.status(
    lambda: f'{title}  {_done(sweep)} of {total} points  {clock()}'
  ):
    row, why = _quietly(sweep, Row(name, str(total)))
  claims = f', {row.claims} claims hold' if row.claims else ''
  terminal.line(f'{title}: {row.status}{claims}, {clock()}')
  for line in why:
    terminal.line(f'  {line}')
  _forget()
  return row


def _quietly(sweep: sweeps.Sweep, row: Row) -> tuple[Row, list[str]]:
  """Reproduces a config, and returns lines on what is wrong."""
  try:
    with terminal.muted():
      found = reproductions.reproduce(sweep)
  except (errors.Preempted, errors.NoRoom):
    raise
  except errors.Diverged as e:
    return row._replace(status='diverged'), [str(e)]
  except errors.LaunchError as e:
    return row, str(e).splitlines()
  except Exception as e:
    if isinstance(e, OSError) and e.errno in errors.FULL:
      raise
    traceback.print_exc(file=sys.stderr)
    return row, [f'{type(e).__name__}: {e}'.splitlines()[0]]
  broken = [v.line for v in found.verdicts if not v.holds]
  held = len(found.verdicts) - len(broken)
  lost = f', {found.diverged} diverged' if found.diverged else ''
  return row._replace(
    points=row.points + lost,
    claims=f'{held} of {len(found.verdicts)}' if found.verdicts else '',
    seconds=found.seconds,
    status='claims do not hold' if broken else 'done',
  ), broken


def _forget() -> None:
  """Drops the programs of a config that has ended; they are many."""
  if 'jax' in sys.modules:
    sys.modules['jax'].clear_caches()


def _done(sweep: sweeps.Sweep) -> int:
  """How many points have a result, without reading any."""
  folders = (runs.directory(sweep.workdir, p) for p in sweep.points)
  return sum((folder / 'result.json').exists() for folder in folders)


def _below(workdir: str | None, path: str) -> str | None:
  if workdir is None:
    return None
  name = getattr(configs.load(path), 'SHARED', pathlib.Path(path).stem)
  return str(pathlib.Path(workdir, name))


def _cost(path: pathlib.Path) -> float:
  kept = records.read(pathlib.Path(KEPT, f'{path.stem}.json')) or {}
  return kept.get('seconds', math.inf)


def _name(sweep: sweeps.Sweep) -> str:
  path = pathlib.Path(sweep.module.__file__).with_suffix('')
  here = pathlib.Path.cwd()
  return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _clock(seconds: float) -> str:
  """Writes a time.

  >>> _clock(252.3), _clock(5025)
  ('4:12', '1:23:45')
  """
  minutes, rest = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  clock = f'{minutes}:{rest:02d}'
  return f'{hours}:{clock:>05}' if hours else clock
