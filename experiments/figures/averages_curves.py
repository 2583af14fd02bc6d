"""Averages of a training run beside its last iterate."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

LAST, CONSTANT = 'last', 'constant'
LAWA = 'LAWA'
FIRST = 3  # Evaluations that are too early to ask whether an average leads.
COLUMNS = ('schedule', 'average', 'n', 'validation', 'test', 'low', 'high')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each schedule of the learning rate and each average.

  Args:
    results: Of `experiments.language_averages`. Those that did not finish are
      left out.

  Returns:
    Rows with the number of runs, the mean losses at the end on the validation
    and on the test text, the lowest and the highest test loss, the test losses
    in one string, and the steps and the mean, the lowest and the highest of the
    validation losses at them.
    The last iterate comes first, then the averages as in the results.
  """
  runs = {}
  for entry in results:
    if entry['status'] != 'done':
      continue
    found = entry['result']
    schedule = entry['config']['optimizer.schedule']
    for average, test in found['test_loss'].items():
      curve = found['validation_loss'][average]
      key = (schedule, average)
      runs.setdefault(key, []).append((test, found['steps'], curve))
  return [_row(*key, runs[key]) for key in sorted(runs, key=_rank)]


def _rank(key: tuple[str, str]) -> tuple[bool, bool]:
  """Sorts by schedule and puts the last iterate first; otherwise is stable."""
  schedule, average = key
  return schedule != CONSTANT, average != LAST


def _row(
  schedule: str, average: str, runs: Sequence[tuple[float, list, list]]
) -> dict[str, Any]:
  tests, steps, curves = zip(*runs, strict=True)
  curve = np.mean(curves, axis=0)
  return {
    'schedule': schedule,
    'average': average,
    'n': len(runs),
    'validation': float(curve[-1]),
    'test': float(np.mean(tests)),
    'low': min(tests),
    'high': max(tests),
    'tests': series.joined(tests),
    'steps': series.joined(steps[0]),
    'curve': series.joined(curve),
    **dict(
      zip(('curve_low', 'curve_high'), series.bounds(curves), strict=True)
    ),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what averaging gains, and what a decaying learning rate does.

  Args:
    results: As for `table`, with runs at a constant learning rate.

  Returns:
    `'last_test_loss'` and `'best_test_loss'`, at a constant learning rate, of
    the last iterate and of the average with the lowest validation loss;
    `'gain'`, by how much the latter is lower; `'gain_over_decay'`, by how much
    it is lower than the last iterate of runs whose learning rate decays, where
    there are any. Each is (value, low, high) with a 95% bootstrap interval over
    seeds. `'lawa_leads'`: the share of the evaluations, after the first three,
    at which the mean curve of the best LAWA is below that of the last iterate.
  """
  rows = table(results)
  constant = {r['average']: r for r in rows if r['schedule'] == CONSTANT}
  last = constant[LAST]
  best = _best(list(constant.values()))
  lawa = _best([r for n, r in constant.items() if n.startswith(LAWA)])
  leads = (
    series.split(lawa['curve'])[FIRST:] < series.split(last['curve'])[FIRST:]
  )
  found = {
    'last_test_loss': bootstrap.estimate(series.split(last['tests'])),
    'best_test_loss': bootstrap.estimate(series.split(best['tests'])),
    'gain': _difference(last, best),
    'lawa_leads': float(leads.mean()) if len(leads) else float('nan'),
  }
  for row in rows:
    if row['schedule'] != CONSTANT and row['average'] == LAST:
      found['decayed_test_loss'] = bootstrap.estimate(
        series.split(row['tests'])
      )
      found['gain_over_decay'] = _difference(row, best)
  return found


def _best(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
  """Returns the average with the lowest validation loss."""
  averages = [row for row in rows if row['average'] != LAST]
  return min(averages, key=lambda row: row['validation'])


def _difference(
  row: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[float, float, float]:
  """Returns by how much the other's test loss is lower, seed by seed."""
  return bootstrap.estimate(
    series.split(row['tests']) - series.split(other['tests'])
  )


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the validation loss of the best average of each kind over the steps.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  constant = [row for row in rows if row['schedule'] == CONSTANT]
  kinds = {}
  for row in constant:
    if row['average'] != LAST:
      kinds.setdefault(row['average'].split()[0], []).append(row)
  curves = []
  for row in rows:
    if row['average'] == LAST:
      line = '-' if row['schedule'] == CONSTANT else '--'
      label = f'last iterate, {row["schedule"]} learning rate'
      curves += [_line(row, axes, label, color=style.GREY, linestyle=line)]
  for i, kind in enumerate(kinds.values()):
    best = _best(kind)
    curves += [_line(best, axes, best['average'], color=f'C{i}')]
  # The fall at the beginning would leave no room for the differences.
  lowest = min(curve.min() for curve in curves)
  span = max(np.median(curve) for curve in curves) - lowest
  axes.set_ylim(lowest - 0.1 * span, lowest + 2 * span)
  axes.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  axes.set_xlabel('steps')
  axes.set_ylabel('validation loss, nats per byte')
  axes.set_title(
    f'mean of {rows[0]["n"]} runs, with the lowest and the highest'
  )
  axes.legend(title='loss at the end')


def _line(
  row: Mapping[str, Any], axes: mpl_axes.Axes, label: str, **options: Any
) -> np.ndarray:
  """Draws one curve, and returns it."""
  steps, curve, low, high = (
    series.split(row[cell])
    for cell in ('steps', 'curve', 'curve_low', 'curve_high')
  )
  style.band(axes, steps, low, high, options['color'])
  axes.plot(
    steps, curve, marker='.', label=f'{label}: {curve[-1]:.3f}', **options
  )
  return curve
