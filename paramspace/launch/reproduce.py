"""From a config file to its figure and the verdict on its claims."""

import pathlib
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace.launch import claims
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import figures
from paramspace.launch import provenance
from paramspace.launch import study
from paramspace.launch import sweep as sweeps
from paramspace.launch import terminal

# A longer summary says again what the table says.
_MOST_LINES = 12


class Conclusion(NamedTuple):
  """What came out.

  Attributes:
    verdicts: On the claims of the config; none at smoke scale, which is to show
      that a figure is made.
    diverged: How many of the points.
    seconds: As in `provenance.seconds`.
  """

  verdicts: list[claims.Verdict]
  diverged: int
  seconds: float

  @property
  def code(self) -> int:
    """`errors.DONE`, or `errors.FAILED` where a claim does not hold."""
    holds = all(v.holds for v in self.verdicts)
    return errors.DONE if holds else errors.FAILED


def reproduce(sweep: sweeps.Sweep) -> Conclusion:
  """Runs what is missing, draws the figure and checks the claims.

  Args:
    sweep: From `sweep.prepare`.

  Raises:
    errors.Diverged: If every point did.
    errors.LaunchError: As in `sweep.run` and `conclude`.
  """
  figure_module(sweep)  # A wrong name is found now, not after the training.
  sweeps.write_index(sweep)
  results = sweeps.run(sweep)
  if all(r['status'] == 'diverged' for r in results):
    raise errors.Diverged(f'All {len(results)} points diverged.')
  return conclude(sweep, results)


def conclude(sweep: sweeps.Sweep, results: list[dict[str, Any]]) -> Conclusion:
  """Draws the config's figure and checks its claims.

  Args:
    sweep: The sweep.
    results: From `sweep.run` or `sweep.results`.

  Raises:
    errors.UsageError: If a claim is about a quantity that the figure lacks.
  """
  diverged = sum(r['status'] == 'diverged' for r in results)
  verdicts = _draw(sweep, results)
  return Conclusion(verdicts, diverged, provenance.seconds(results))


def is_kept(sweep: sweeps.Sweep) -> bool:
  """Whether the directory has what was kept of a figure: its table as JSON."""
  kept = sweep.workdir / f'{_name(sweep)}.json'
  return figure_module(sweep) is not None and kept.is_file()


def redraw(sweep: sweeps.Sweep) -> Conclusion:
  """Draws a figure from what was kept of it, and checks the claims.

  Args:
    sweep: Of which nothing is run; in its directory is `<config>.json`.

  Raises:
    errors.UsageError: If that is of another figure.
  """
  module = figure_module(sweep)
  sweeps.check_writable(sweep.workdir)
  figure = figures.redraw(module, sweep.workdir / _name(sweep))
  return Conclusion(_show(sweep, module, figure), 0, 0.0)


def _draw(
  sweep: sweeps.Sweep, results: list[dict[str, Any]]
) -> list[claims.Verdict]:
  module = figure_module(sweep)
  if module is None:
    terminal.table([{'id': r['id'], **r['result']} for r in results])
    return []
  folder = sweep.workdir / 'figures'
  sweeps.check_writable(folder)
  stem = folder / _name(sweep)
  figure = figures.render(module, results, stem, sweep.scale)
  return _show(sweep, module, figure)


def _show(
  sweep: sweeps.Sweep, module: Any, figure: figures.Figure
) -> list[claims.Verdict]:
  terminal.table(figure.rows, getattr(module, 'COLUMNS', None))
  _print_summary(figure.summary)
  terminal.line(f'Figure: {figure.files[0]} (and png, csv, json)')
  return _check(_claims(sweep), figure.summary)


def _name(sweep: sweeps.Sweep) -> str:
  return pathlib.Path(sweep.module.__file__).stem


def _check(
  claimed: list[claims.Claim], summary: Mapping[str, claims.Measured]
) -> list[claims.Verdict]:
  """Prints a line for each claim; returns the verdicts on what was measured."""
  verdicts = []
  for claim in claimed:
    reason = claims.unmeasured(claim, summary)
    if not reason:
      verdicts.append(claims.check(claim, summary))
    terminal.line(reason or verdicts[-1].line)
  return verdicts


def _print_summary(summary: Mapping[str, claims.Measured]) -> None:
  if len(summary) > _MOST_LINES:
    return
  width = max(map(len, summary), default=0)
  for name, measured in summary.items():
    terminal.line(f'{name:{width}}  {claims.describe(measured)}')


def figure_module(sweep: sweeps.Sweep) -> Any:
  """Returns the module that the config's `FIGURE` names; None without one."""
  name = getattr(sweep.module, 'FIGURE', None)
  return study.module(name, 'figure') if name else None


def _claims(sweep: sweeps.Sweep) -> list[claims.Claim]:
  if sweep.scale == 'smoke' or not hasattr(sweep.module, 'claim'):
    return []
  found = configs.call(sweep.module, 'claim', sweep.scale)
  return [found] if isinstance(found, claims.Claim) else list(found or ())
