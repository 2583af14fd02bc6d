"""Accuracy against the drop rate of a delta."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('tuning', 'method', 'delta_rms', 'rate', 'n', 'mean', 'tuned', 'q')
TITLES = {
  'dare': 'DARE',
  'drop_only': 'dropped, not rescaled',
  'magnitude': 'by magnitude',
  'q_by_score': 'DAREx-q, by labels',
  'q_by_change': 'DAREx-q, by change',
  'q_analytic': 'DAREx-q, analytic',
}
TUNINGS = {
  'usual': 'usual steps',
  'large': 'large steps',
  'toward_base': 'pulled to the base',
}
_LEVELS = {'tuned': ('--', 'fine-tuned'), 'pretrained': (':', 'pretrained')}


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each way to fine-tune, method and rate.

  Args:
    results: Each with `'config'`, flattened, `'status'` and `'result'`. Those
      that did not finish are left out.

  Returns:
    Rows with the accuracy, the mean of the tasks, of every seed,
    `accuracies`, and its mean; that of the fine-tuned encoders, `tuned`, and
    of the pretrained; the root mean square of the deltas; and the mean q.
  """
  runs = {}
  for entry in results:
    if entry['status'] == 'done':
      config, result = entry['config'], entry['result']
      for i, rate in enumerate(config['rates']):
        key = config['tuning'], config['method'], rate
        of_seeds = runs.setdefault(key, {}).setdefault(config['seed'], [])
        of_seeds.append((result['accuracies'][i], result['q'][i], result))
  return [_row(*key, of_seeds) for key, of_seeds in runs.items()]


def _row(tuning: str, method: str, rate: float, of_seeds: Mapping) -> dict:
  seeds = sorted(of_seeds)
  mean = lambda read: [np.mean([read(x) for x in of_seeds[s]]) for s in seeds]
  overall = lambda read: float(np.mean(mean(read)))
  accuracies = mean(lambda x: x[0])
  return {
    'tuning': tuning,
    'method': method,
    'rate': rate,
    'n': len(seeds),
    'mean': float(np.mean(accuracies)),
    'q': overall(lambda x: x[1]),
    'tuned': overall(lambda x: x[2]['tuned']),
    'pretrained': overall(lambda x: x[2]['pretrained']),
    'delta_rms': overall(lambda x: x[2]['delta_rms']),
    'accuracies': series.joined(accuracies),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns accuracies at 0.9 and .99, and what is lost of the fine-tuned.

  Args:
    results: As in `table`.

  Returns:
    By tuning, method and rate, `usual_dare_0.99` and so on, (mean, low, high)
    with a 95% bootstrap interval over seeds; and `*_lost`, by how much the mean
    is below that of the fine-tuned encoders.
  """
  entries = {}
  for row in table(results):
    name = f'{row["tuning"]}_{row["method"]}_{row["rate"]:g}'
    entries[name] = bootstrap.estimate(series.split(row['accuracies']))
    entries[f'{name}_lost'] = row['tuned'] - row['mean']
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws a panel for each way to fine-tune, with a line for each method.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  tunings = [t for t in TUNINGS if any(row['tuning'] == t for row in rows)]
  places = style.panels(axes, len(tunings))
  for tuning, place in zip(tunings, places, strict=True):
    own = [row for row in rows if row['tuning'] == tuning]
    _draw_tuning(own, place)
    place.set_title(f'{TUNINGS[tuning]}, delta rms {own[0]["delta_rms"]:.2g}')
    place.sharey(places[0])
  places[0].set_ylabel('accuracy, mean of the tasks')
  most = sorted(places, key=lambda place: -len(place.lines))
  style.below(*most)


def _draw_tuning(
  rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes
) -> None:
  """Draws the methods, and what is fine-tuned and pretrained as levels."""
  for i, (method, title) in enumerate(TITLES.items()):
    line = [row for row in rows if row['method'] == method]
    line = sorted(line, key=lambda row: row['rate'])
    if not line:
      continue
    kept = [1 - row['rate'] for row in line]
    seeds = [series.split(row['accuracies']) for row in line]
    ends = [y.min() for y in seeds], [y.max() for y in seeds]
    style.band(axes, kept, *ends, f'C{i}')
    means = [row['mean'] for row in line]
    axes.plot(kept, means, color=f'C{i}', marker='.', label=title)
  for name, (line, title) in _LEVELS.items():
    height = np.mean([row[name] for row in rows])
    axes.axhline(
      height, color=style.GREY, linestyle=line, linewidth=0.9, label=title
    )
  style.log_ticks(axes.xaxis, steps=(1,))
  axes.invert_xaxis()
  axes.set_xlabel('fraction of the delta that is kept')
