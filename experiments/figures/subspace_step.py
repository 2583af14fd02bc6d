"""The overhead of random subspaces, against the number of parameters."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import style

COLUMNS = (
  'method',
  'D',
  'd',
  'ratio',
  'step_ms',
  'direct_ms',
  'over_floor',
  'frozen_bytes_per_parameter',
  'peak_bytes',
)


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each projection and size that fitted in memory.

  Args:
    results: Of `experiments.benchmarks.subspace_step`.
  """
  rows = [dict(r['result']) for r in results if r['result']['fits']]
  return sorted(rows, key=lambda row: (row['method'], row['D'], row['d']))


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns each ratio, as (median, lowest, highest), by 'method/D/d'."""
  return {
    f'{row["method"]}/{row["D"]}/{row["d"]}': (
      row['ratio'],
      row['ratio_low'],
      row['ratio_high'],
    )
    for row in table(results)
  }


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the ratio against D, a line for each projection and d.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  methods = sorted({row['method'] for row in rows})
  dims = sorted({row['d'] for row in rows})
  markers = dict(zip(dims, 'os^Dv', strict=False))
  for i, method in enumerate(methods):
    for dim in dims:
      line = [r for r in rows if (r['method'], r['d']) == (method, dim)]
      if line:
        axes.plot(
          [r['D'] for r in line],
          [r['ratio'] for r in line],
          color=f'C{i}',
          marker=markers[dim],
          label=f'{method}, d = {dim:,}',
        )
  axes.axhline(1, color=style.GREY, linewidth=0.8)
  style.count_axis(axes, 'parameters D')
  axes.set_yscale('log')
  axes.set_ylabel('step / direct step')
  axes.figure.legend(fontsize='small', loc='outside right upper')
