"""Accuracy against the number of trained coordinates."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import curves
from experiments.figures import li2018
from experiments.figures import points
from experiments.figures import style

COLUMNS = ('task', 'method', 'dim', 'n', 'diverged', 'mean', 'min', 'max')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each task, method and dimension.

  Args:
    results: As in `points.read`.

  Returns:
    Rows as in `curves.table`, with the thresholds of both criteria, the second
    None where the task has no direct runs.
  """
  rows = curves.table(results)
  limits = {c.task: curves.thresholds(c) for c in curves.from_rows(rows)}
  for row in rows:
    for name in style.CRITERIA:
      row[f'threshold_{name}'] = limits.get(row['task'], {}).get(name)
  return rows


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the intrinsic dimension by both criteria.

  Args:
    results: As in `points.read`.

  Returns:
    `'d_int90_absolute'` and `'d_int90_baseline'`, each (value, low, high) with
    a 95% bootstrap interval over seeds, `'baseline_accuracy'` and `'D'`. What
    rests on direct runs is absent without them. With several curves, each key
    has the task and method in front: `'MNIST LeNet/hadamard/D'`.
  """
  found = curves.from_rows(curves.table(results))
  summaries = {f'{c.task}/{c.method}/': _summary(c) for c in found}
  if len(summaries) == 1:
    return next(iter(summaries.values()))
  return {
    prefix + key: value
    for prefix, entries in summaries.items()
    for key, value in entries.items()
  }


def _summary(curve: curves.Curve) -> dict[str, Any]:
  estimates = curves.intrinsic_dimensions(curve)
  entries = {f'd_int90_{name}': tuple(e) for name, e in estimates.items()}
  if len(curve.direct):
    entries['baseline_accuracy'] = float(curve.direct.mean())
  return {**entries, 'D': curve.size}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws every curve with its spread, the thresholds, and the paper's curve.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  found = curves.from_rows(rows)
  for i, curve in enumerate(found):
    _draw_curve(curve, f'C{i}', axes)
    _draw_crossings(curve, f'C{i}', axes)
  tasks = {curve.task: curve for curve in found}
  for curve in tasks.values():
    _draw_paper(curve, axes)
    _draw_levels(curve, axes)
  style.count_axis(axes, 'trained coordinates d')
  axes.set_ylim(top=1.02)
  axes.set_ylabel('test accuracy')
  sizes = ', '.join(f'{task}, D = {c.size:,}' for task, c in tasks.items())
  axes.set_title(sizes, loc='left')
  if found:
    axes.legend(frameon=False)


def _draw_curve(curve: curves.Curve, colour: str, axes: mpl_axes.Axes) -> None:
  """Draws the mean as a line, the range as a band, the runs as faint dots."""
  low = [runs.min() for runs in curve.accuracies]
  high = [runs.max() for runs in curve.accuracies]
  axes.fill_between(
    curve.dims, low, high, color=colour, alpha=0.18, linewidth=0
  )
  for dim, runs in zip(curve.dims, curve.accuracies, strict=True):
    axes.plot(
      [dim] * len(runs), runs, '.', color=colour, alpha=0.35, markersize=4
    )
  label = '\n'.join([_runs(curve), *_crossing_labels(curve)])
  axes.plot(curve.dims, curve.means, color=colour, linewidth=1.8, label=label)


def _runs(curve: curves.Curve) -> str:
  """Describes whose runs a line shows, e.g. 'hadamard, mean of 3 runs'."""
  counts = {len(runs) for runs in curve.accuracies}
  count = '-'.join(map(str, sorted({min(counts), max(counts)})))
  plural = '' if counts == {1} else 's'
  return f'{curve.method}, mean of {count} run{plural}'


def _crossing_labels(curve: curves.Curve) -> list[str]:
  """Returns one line of text for each criterion."""
  return [
    f'  {style.CRITERIA[name]}: {describe(estimate, curve.dims)}'
    for name, estimate in curves.intrinsic_dimensions(curve).items()
  ]


def describe(estimate: curves.Estimate, dims: Sequence[int]) -> str:
  """Writes an estimate as text.

  Args:
    estimate: A crossing with its interval.
    dims: The dimensions that were measured, ascending.

  Returns:
    E.g. `'d = 786 (720 to 852)'`, `'d > 1,500'` or `'d <= 50'`.

  Examples:
    >>> describe(curves.Estimate(786.4, 720, float('inf')), [50, 1500])
    'd = 786 (720 to > 1,500)'
  """

  def number(x: float) -> str:
    return f'{x:,.0f}' if x <= dims[-1] else f'> {dims[-1]:,}'

  if estimate.value <= dims[0]:
    return f'd <= {dims[0]:,}'
  if estimate.value > dims[-1]:
    return f'd {number(estimate.value)}'
  low, high = number(estimate.low), number(estimate.high)
  interval = f' ({low} to {high})' if low != high else ''
  return f'd = {number(estimate.value)}{interval}'


def _draw_crossings(
  curve: curves.Curve, colour: str, axes: mpl_axes.Axes
) -> None:
  """Marks where the mean reaches each threshold."""
  limits = curves.thresholds(curve)
  for name, estimate in curves.intrinsic_dimensions(curve).items():
    if curve.dims[0] < estimate.value <= curve.dims[-1]:
      axes.plot(
        [estimate.value],
        [limits[name]],
        style.MARKERS[name],
        color=colour,
        markeredgecolor='white',
        markersize=8,
        zorder=4,
      )


def _draw_paper(curve: curves.Curve, axes: mpl_axes.Axes) -> None:
  """Draws the paper's own curve, where it has one."""
  published = li2018.CURVES.get(curve.task, {})
  if published:
    axes.plot(
      list(published),
      list(published.values()),
      **style.PAPER,
      markersize=5,
      label=li2018.LABEL,
      zorder=3,
    )


def _draw_levels(curve: curves.Curve, axes: mpl_axes.Axes) -> None:
  """Draws direct training and both thresholds as lines with their names."""
  levels = curves.thresholds(curve)
  if len(curve.direct):
    levels[points.DIRECT] = float(curve.direct.mean())
  for name, level in levels.items():
    axes.axhline(level, color=style.GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(
      [1.015],
      [level],
      style.MARKERS.get(name, ''),
      color=style.GREY,
      markersize=5,
      transform=axes.get_yaxis_transform(),
      clip_on=False,
    )
    axes.annotate(
      f'{style.CRITERIA.get(name, name)} ({level:.3f})',
      (1.03, level),
      xycoords=axes.get_yaxis_transform(),
      verticalalignment=_side(level, levels.values()),
      fontsize='small',
      color=style.GREY,
    )


def _side(level: float, levels: Iterable[float]) -> str:
  """Aligns a line's name so that it keeps away from the nearest other line."""
  others = [other for other in levels if other != level]
  nearest = min(others, key=lambda other: abs(other - level), default=level)
  return 'top' if nearest > level else 'bottom'
