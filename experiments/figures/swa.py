"""Averaged weights with batch statistics of several kinds."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import points
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('schedule', 'weights', 'statistics', 'n', 'accuracy', 'loss')

# By the names of `experiments.image_averages`: weights, and statistics.
KINDS = {
  'last': ('last', 'own'),
  'last_pooled': ('last', 're-estimated'),
  'copied': ('averaged', 'copied'),
  'averaged': ('averaged', 'averaged'),
  'few': ('averaged', 're-estimated, few batches'),
  'mean': ('averaged', 're-estimated, mean variance'),
  'pooled': ('averaged', 're-estimated'),
}

# By schedule and kind: the average that the paper recommends, and what it is
# compared with beside the last iterate of the same run.
OURS = ('constant', 'pooled')
RIVALS = {
  'copied': ('constant', 'copied'),
  'averaged': ('constant', 'averaged'),
  'linear': ('linear', 'last'),
}


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each schedule and kind of weights and statistics.

  Args:
    results: Of `experiments.image_averages`. Those that did not finish, or
      diverged, are left out.

  Returns:
    Rows with the means of `'accuracy'` and `'loss'` over `'n'` seeds; all
    `'accuracies'`, in the order of seeds; and, for what was evaluated all
    along, `'epochs'` and the mean `'curve'` of accuracies at them, with the
    lowest and the highest. Series are one string.
  """
  by_schedule, data = {}, set()
  for entry in results:
    if entry['status'] == 'done':
      config = entry['config']
      runs = by_schedule.setdefault(config['optimizer.schedule'], {})
      runs[config['seed']] = entry['result']
      data.add(points.TITLES.get(config['data'], config['data']))
  rows = []
  for schedule, runs in sorted(by_schedule.items()):
    runs = [runs[seed] for seed in sorted(runs)]
    rows += [_row(schedule, name, runs) for name in KINDS]
  return [{'data': ', '.join(sorted(data)), **row} for row in rows]


def _row(
  schedule: str, name: str, runs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  accuracies = [run[f'{name}_accuracy'] for run in runs]
  curves = [run['curves'][name] for run in runs if name in run['curves']]
  weights, statistics = KINDS[name]
  low, high = series.bounds(curves) if curves else ('', '')
  return {
    'schedule': schedule,
    'kind': name,
    'weights': weights,
    'statistics': statistics,
    'n': len(runs),
    'accuracy': float(np.mean(accuracies)),
    'loss': float(np.mean([run[f'{name}_loss'] for run in runs])),
    'accuracies': series.joined(accuracies),
    'epochs': series.joined(runs[0]['epochs']) if curves else '',
    'curve': series.joined(np.mean(curves, axis=0)) if curves else '',
    'curve_low': low,
    'curve_high': high,
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the accuracies, and what they gain over the last iterate's.

  Args:
    results: As in `table`.

  Returns:
    E.g. `'constant_pooled_accuracy'` and `'constant_pooled_gain'`, the mean
    difference to the last iterate of the same run, each (value, low, high) with
    a 95% bootstrap interval over seeds. And what the average with re-estimated
    statistics gains over others of the same seed: `'gain_over_copied'` and
    `'gain_over_averaged'` statistics, and `'gain_over_linear'`, over the last
    iterate of a run whose rate went to zero.
  """
  rows = {(row['schedule'], row['kind']): row for row in table(results)}
  entries = {}
  for (schedule, kind), row in rows.items():
    own, last = (
      series.split(r['accuracies']) for r in (row, rows[schedule, 'last'])
    )
    entries[f'{schedule}_{kind}_accuracy'] = bootstrap.estimate(own)
    if kind != 'last':
      entries[f'{schedule}_{kind}_gain'] = bootstrap.estimate(own - last)
  for name, rival in RIVALS.items():
    if OURS in rows and rival in rows:
      ours, theirs = (
        series.split(rows[r]['accuracies']) for r in (OURS, rival)
      )
      entries[f'gain_over_{name}'] = bootstrap.estimate(ours - theirs)
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws accuracies since the averaging began, and those at the end.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  shown = [
    row for row in rows if row['schedule'] == OURS[0] or row['kind'] == 'last'
  ]
  left, right = style.panels(axes, 2, (5, 4.4))
  for row in shown:
    if row['curve']:
      _draw_curve(row, left)
  left.set_xlabel('epoch')
  left.set_ylabel('test accuracy')
  style.below(left, columns=3, title='weights; statistics of the batch norms')
  left.set_title(f'{rows[0]["data"]}, mean of {rows[0]["n"]} runs, and range')
  for y, row in enumerate(shown):
    color = _color(row)
    runs = series.split(row['accuracies'])
    right.plot(runs, [y] * len(runs), '.', color=color, alpha=0.5)
    right.plot(row['accuracy'], y, 'o', color=color)
    right.annotate(
      f'{row["accuracy"]:.3f}',
      (runs.max(), y),
      xytext=(6, 0),
      textcoords='offset points',
      verticalalignment='center',
      fontsize='small',
    )
  right.set_yticks(range(len(shown)), [_title(row) for row in shown])
  right.invert_yaxis()
  right.margins(x=0.14)
  right.set_xlabel('test accuracy')
  right.set_title('the same, and others, at the end')


def _draw_curve(row: Mapping[str, Any], axes: mpl_axes.Axes) -> None:
  epochs, curve, low, high = (
    series.split(row[cell])
    for cell in ('epochs', 'curve', 'curve_low', 'curve_high')
  )
  style.band(axes, epochs, low, high, _color(row))
  axes.plot(epochs, curve, '.-', color=_color(row), label=_title(row))


def _color(row: Mapping[str, Any]) -> str:
  """What is not averaged at a constant rate, is grey."""
  control = row['schedule'] != OURS[0]
  return style.GREY if control else f'C{list(KINDS).index(row["kind"])}'


def _title(row: Mapping[str, Any]) -> str:
  if row['schedule'] != OURS[0]:
    return f'last; {row["schedule"]} rate to zero'
  return f'{row["weights"]}; {row["statistics"]}'
