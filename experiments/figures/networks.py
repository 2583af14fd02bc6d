"""The intrinsic dimension of networks of many sizes."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import curves
from experiments.figures import li2018
from experiments.figures import style

COLUMNS = ('task', 'D', 'n', 'd_int90_absolute', 'd_int90_baseline')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each network, by size.

  Args:
    results: As in `points.read`.

  Returns:
    Rows with the task, the method, D, how many runs there are, the accuracy of
    direct training, and d_int90 by both criteria with the ends of its 95%
    interval. None stands for what was not measured or not reached.
  """
  found = curves.from_rows(curves.table(results))
  return [_row(curve) for curve in sorted(found, key=lambda c: c.size)]


def _row(curve: curves.Curve) -> dict[str, Any]:
  row = {
    'task': curve.task,
    'method': curve.method,
    'D': curve.size,
    'n': sum(map(len, curve.accuracies)),
    'baseline_accuracy': float(curve.direct.mean())
    if len(curve.direct)
    else None,
  }
  estimates = curves.intrinsic_dimensions(curve)
  missing = curves.Estimate(np.inf, np.inf, np.inf)
  for name in style.CRITERIA:
    ends = estimates.get(name, missing)
    value, low, high = (x if np.isfinite(x) else None for x in ends)
    row[f'd_int90_{name}'] = value
    row[f'd_int90_{name}_low'] = low
    row[f'd_int90_{name}_high'] = high
  return row


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns how much D and d_int90 vary over the networks.

  Args:
    results: As in `points.read`.

  Returns:
    `'D_ratio'`, the largest over the smallest; the same of d_int90 as
    `'d_int90_absolute_ratio'` and `'d_int90_baseline_ratio'`, infinite where a
    network does not reach its threshold; `'networks'`, how many there are.
  """
  rows = table(results)
  ratio = lambda key: _ratio([row[key] for row in rows])
  ratios = {f'{key}_ratio': ratio(key) for key in ('D', *_KEYS)}
  return {**ratios, 'networks': len(rows)}


_KEYS = tuple(f'd_int90_{name}' for name in style.CRITERIA)


def _ratio(values: Sequence[float | None]) -> float:
  if not values or None in values:
    return float('inf')
  return max(values) / min(values)


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws d_int90 against D by both criteria, and the paper's own.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  for i, name in enumerate(style.CRITERIA):
    _draw_criterion(rows, name, f'C{i}', axes)
  if any(row['D'] in li2018.NETWORKS for row in rows):
    axes.plot(
      list(li2018.NETWORKS),
      list(li2018.NETWORKS.values()),
      **style.PAPER,
      markersize=6,
      label=f'{li2018.LABEL}, {style.CRITERIA[curves.ABSOLUTE]}',
    )
  style.count_axis(axes, 'parameters D')
  axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  axes.set_ylim(bottom=0)
  axes.set_ylabel('intrinsic dimension')
  axes.set_title(f'{len(rows)} networks', loc='left')
  if rows:
    axes.legend(loc='lower right', frameon=False)


def _draw_criterion(
  rows: Sequence[Mapping[str, Any]],
  name: str,
  colour: str,
  axes: mpl_axes.Axes,
) -> None:
  """Draws one criterion's estimates, with their intervals."""
  key = f'd_int90_{name}'
  networks = len(rows)
  rows = [row for row in rows if row[key] is not None]
  if not rows:
    return
  some = f', of {len(rows)} that reach it' if len(rows) < networks else ''
  sizes = [row['D'] for row in rows]
  values = [row[key] for row in rows]
  for row in rows:
    if row[f'{key}_high'] is not None:
      ends = [row[f'{key}_low'], row[f'{key}_high']]
      axes.plot([row['D']] * 2, ends, color=colour, alpha=0.5, linewidth=1.5)
  axes.plot(
    sizes,
    values,
    style.MARKERS[name],
    color=colour,
    markeredgecolor='white',
    markersize=7,
    label=f'{style.CRITERIA[name]}: max/min = '
    f'{max(values) / min(values):.2f}{some}',
  )
