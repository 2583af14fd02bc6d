"""A fixed basis against one that is redrawn, at one dimension."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import curves
from experiments.figures import gressmann2020
from experiments.figures import points
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('basis', 'dim', 'n', 'diverged', 'mean', 'min', 'max', 'paper')
FIXED = 'fixed'


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each way to treat the basis, and for direct training.

  Args:
    results: As in `points.read`.

  Returns:
    Rows as in `curves.table`, with `'basis'` (`'fixed'`, `'redrawn'`,
    `'redrawn every 10 steps'`, `'direct'`) and the paper's accuracy, or None.
  """
  rows = curves.table(results)
  rows.sort(key=lambda row: row['method'] == points.DIRECT)
  return [{'basis': _basis(row), **row, 'paper': _paper(row)} for row in rows]


def _basis(row: Mapping[str, Any]) -> str:
  """Says what is done to the basis, 'redrawn' for 'dense redrawn'."""
  method = row['method']
  return (
    method if method == points.DIRECT else method.partition(' ')[2] or FIXED
  )


def _paper(row: Mapping[str, Any]) -> float | None:
  """Returns the paper's accuracy, if this is its network and dimension."""
  same = row['task'] == gressmann2020.TASK
  same &= row['dim'] in (0, gressmann2020.DIM)
  return gressmann2020.ACCURACY.get(_basis(row)) if same else None


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the mean accuracy of each basis.

  Args:
    results: As in `points.read`.

  Returns:
    E.g. `'fixed_accuracy'`, `'redrawn_accuracy'` and `'direct_accuracy'`, each
    (value, low, high) with a 95% bootstrap interval over seeds.

  Raises:
    ValueError: If two rows have the same basis: there is more than one task,
      dimension or method.
  """
  entries = {}
  for row in table(results):
    key = f'{row["basis"].replace(" ", "_")}_accuracy'
    if key in entries:
      raise ValueError(
        f'More than one row has the basis {row["basis"]!r}; this figure '
        'compares bases for one task, one method and one dimension.'
      )
    entries[key] = bootstrap.estimate(series.split(row['accuracies']))
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the runs and the mean of each basis, and the paper's accuracy.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  for x, row in enumerate(rows):
    _draw_runs(x, row, axes)
  paper = {x: row['paper'] for x, row in enumerate(rows) if row['paper']}
  if paper:
    axes.plot(
      list(paper),
      list(paper.values()),
      **style.PAPER,
      markersize=7,
      label=gressmann2020.LABEL,
    )
    axes.legend(loc='lower right', frameon=False)
  axes.set_xticks(range(len(rows)), [row['basis'] for row in rows])
  axes.set_xlim(-0.6, len(rows) - 0.4)
  axes.set_ylim(top=1.02)
  axes.set_ylabel('test accuracy')
  dims = sorted({row['dim'] for row in rows if row['dim']})
  label = ', '.join(f'{dim:,}' for dim in dims)
  axes.set_title(f'{rows[0]["task"]}, d = {label}', loc='left')


def _draw_runs(x: int, row: Mapping[str, Any], axes: mpl_axes.Axes) -> None:
  """Draws one row at position `x`: faint runs, a bar at their mean."""
  runs = series.split(row['accuracies'])
  axes.plot([x] * len(runs), runs, '.', color='C0', alpha=0.35)
  if len(runs):
    axes.hlines(runs.mean(), x - 0.2, x + 0.2, color='C0', linewidth=2.5)
    axes.annotate(
      f'{runs.mean():.3f}',
      (x + 0.22, runs.mean()),
      color='C0',
      verticalalignment='center',
    )
