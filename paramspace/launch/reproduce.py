"""From a config file to its figure and the verdict on its claims."""

import pathlib
from collections.abc import Mapping
from typing import Any

from paramspace.launch import claims
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import figures
from paramspace.launch import study
from paramspace.launch import sweep as sweeps
from paramspace.launch import terminal

# A longer summary says again what the table says.
_MOST_LINES = 12


def reproduce(sweep: sweeps.Sweep) -> int:
  """Runs what is missing, draws the figure and checks the claims.

  Args:
    sweep: From `sweep.prepare`.

  Returns:
    `errors.DONE`; `errors.FAILED` where a claim does not hold;
    `errors.DIVERGED` where every point diverged.

  Raises:
    errors.LaunchError: As in `sweep.run` and `conclude`.
  """
  figure_module(sweep)  # A wrong name is found now, not after the training.
  sweeps.write_index(sweep)
  results = sweeps.run(sweep)
  if all(r['status'] == 'diverged' for r in results):
    raise errors.Diverged(f'All {len(results)} points diverged.')
  return conclude(sweep, results)


def conclude(sweep: sweeps.Sweep, results: list[dict[str, Any]]) -> int:
  """Draws the config's figure and checks its claims.

  Args:
    sweep: The sweep.
    results: From `sweep.run` or `sweep.results`.

  Returns:
    `errors.DONE`, or `errors.FAILED` where a claim does not hold.

  Raises:
    errors.UsageError: If a claim is about a quantity that the figure lacks.
  """
  module = figure_module(sweep)
  if module is None:
    terminal.table([{'id': r['id'], **r['result']} for r in results])
    return errors.DONE
  folder = sweep.workdir / 'figures'
  sweeps.check_writable(folder)
  stem = folder / pathlib.Path(sweep.module.__file__).stem
  figure = figures.render(module, results, stem)
  terminal.table(figure.rows, getattr(module, 'COLUMNS', None))
  _print_summary(figure.summary)
  terminal.line(f'Figure: {figure.files[0]} (and png, csv, json)')
  verdicts = [claims.check(c, figure.summary) for c in _claims(sweep)]
  for verdict in verdicts:
    terminal.line(verdict.line)
  return errors.DONE if all(v.holds for v in verdicts) else errors.FAILED


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
  if not hasattr(sweep.module, 'claim'):
    return []
  found = configs.call(sweep.module, 'claim', sweep.scale)
  return [found] if isinstance(found, claims.Claim) else list(found or ())
