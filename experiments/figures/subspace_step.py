"""The overhead of random subspaces, against the number of parameters."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes
from matplotlib import lines

from experiments.figures import li2018
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

  The color is the projection, the marker is d; Li's are open.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  methods = sorted({row['method'] for row in rows})
  paper = {
    (method, *shape): ms / li2018.DIRECT_MS[shape[0]]
    for method, steps in li2018.STEP_MS.items()
    if method in methods
    for shape, ms in steps.items()
  }
  dims = sorted({row['d'] for row in rows} | {d for *_, d in paper})
  markers = dict(zip(dims, 'o<>s^Dvph', strict=False))
  for i, method in enumerate(methods):
    for dim in dims:
      line = [r for r in rows if (r['method'], r['d']) == (method, dim)]
      axes.plot(
        [r['D'] for r in line],
        [r['ratio'] for r in line],
        color=f'C{i}',
        marker=markers[dim],
        label=f'{method}, d = {dim:,}',
      )
  for (method, size, dim), ratio in paper.items():
    color = f'C{methods.index(method)}'
    about = style.PAPER | {'marker': markers[dim], 'color': color}
    label = f'{li2018.LABEL}, {method}, d = {dim:,}'
    axes.plot(size, ratio, **about, markersize=6, label=label)
  axes.axhline(1, color=style.GREY, linewidth=0.8)
  style.count_axis(axes, 'parameters D')
  style.log_ticks(axes.yaxis)
  axes.set_ylabel('time of a step / of a direct step')
  _draw_legend(methods, markers, axes)


def _draw_legend(
  methods: Sequence[str], markers: Mapping[int, str], axes: mpl_axes.Axes
) -> None:
  """Says what colors, markers and open markers are."""
  key = lambda label, **about: lines.Line2D([], [], label=label, **about)
  grey = {'color': style.GREY, 'linestyle': 'none'}
  axes.figure.legend(
    handles=[
      *(key(name, color=f'C{i}') for i, name in enumerate(methods)),
      *(key(f'd = {d:,}', marker=m, **grey) for d, m in markers.items()),
      key(f'open: {li2018.LABEL},\na GPU of 2017', **style.PAPER),
    ],
    loc='outside right upper',
  )
