"""Experts that become one network, beside a network without experts."""

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

COLUMNS = ('training', 'n', 'diverged', 'mean', 'std', 'loss', 'routed', 'gain')
PLAIN = 'plain'


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for plain training, and for each start and share rate.

  Args:
    results: Each with `'config'`, flattened, `'status'` and `'result'`.

  Returns:
    Rows with the accuracy of the one network over seeds, `accuracies`, in the
    order of the seeds; its loss; the accuracy before the collapse, `routed`;
    the spread of the experts; and, where both finished, what each seed gains in
    accuracy and in loss over plain training with that seed.

  Raises:
    ValueError: If two results are of one way to train, and one seed.
  """
  runs = {}
  for entry in results:
    key = _training(entry['config']), entry['config']['seed']
    if key in runs:
      raise ValueError(
        f'Two results for {key[0]}, seed {key[1]}: draw them in separate '
        'figures.'
      )
    runs[key] = entry
  kinds = dict.fromkeys(kind for kind, _ in runs)
  return [
    _row(kind, {s: r for (k, s), r in runs.items() if k == kind}, runs)
    for kind in kinds
  ]


def _training(config: Mapping[str, Any]) -> str:
  if not config['experts']:
    return PLAIN
  start = 'equal' if config['equal'] else 'apart'
  return f'{start}, share rate {config["share_rate"]:g}'


def _row(
  kind: str,
  of_seeds: Mapping[int, Mapping[str, Any]],
  runs: Mapping[tuple[str, int], Mapping[str, Any]],
) -> dict[str, Any]:
  done = {s: r['result'] for s, r in of_seeds.items() if r['status'] == 'done'}
  seeds = sorted(done)
  plain = {
    s: runs[PLAIN, s]['result']
    for s in seeds
    if (PLAIN, s) in runs and runs[PLAIN, s]['status'] == 'done'
  }
  read = lambda name: np.array([done[s][name] for s in seeds])
  over_plain = lambda name: np.array(
    [done[s][name] - plain[s][name] for s in plain]
  )
  gains = over_plain('test_accuracy')
  config = next(iter(of_seeds.values()))['config']
  accuracies = read('test_accuracy')
  return {
    'task': points.TITLES.get(config['data'], config['data']),
    'training': kind,
    'n': len(seeds),
    'diverged': len(of_seeds) - len(seeds),
    'mean': _mean(accuracies),
    'std': float(accuracies.std(ddof=1)) if len(seeds) > 1 else None,
    'loss': _mean(read('test_loss')),
    'routed': _mean(read('routed_accuracy')),
    'spread': _mean(read('spread')),
    'gain': _mean(gains),
    'accuracies': series.joined(accuracies),
    'accuracy_gains': series.joined(gains),
    'loss_gains': series.joined(0.0 - over_plain('test_loss')),
  }


def _broken(name: str) -> str:
  return name.replace(', share rate ', ',\n')


def _mean(values: np.ndarray) -> float | None:
  return float(values.mean()) if len(values) else None


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns accuracies, and what experts gain over plain training.

  Args:
    results: As in `table`.

  Returns:
    `plain_accuracy`, `equal_share_rate_0.1_accuracy` and so on, and of experts
    `*_gain` in accuracy and `*_loss_gain`, seed by seed; each (mean, low, high)
    with a 95% bootstrap interval over seeds. NaN where every run diverged.
  """
  entries = {}
  for row in table(results):
    name = row['training'].replace(',', '').replace(' ', '_')
    entries[f'{name}_accuracy'] = _estimate(row['accuracies'])
    if row['training'] != PLAIN:
      entries[f'{name}_gain'] = _estimate(row['accuracy_gains'])
      entries[f'{name}_loss_gain'] = _estimate(row['loss_gains'])
  return entries


def _estimate(text: str) -> tuple[float, float, float]:
  return bootstrap.estimate(series.split(text))


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the runs and their mean, after the collapse and before it.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  for x, row in enumerate(rows):
    accuracies = series.split(row['accuracies'])
    if not len(accuracies):
      continue
    axes.plot([x] * len(accuracies), accuracies, '.', color='C0', alpha=0.4)
    axes.hlines(row['mean'], x - 0.2, x + 0.2, color='C0', linewidth=2.5)
    axes.annotate(
      f'{row["mean"]:.3f}',
      (x + 0.23, row['mean']),
      color='C0',
      verticalalignment='center',
    )
    if row['training'] != PLAIN:
      axes.plot(x, row['routed'], 'D', color='C1', fillstyle='none')
  axes.plot([], [], '.', color='C0', label='one network, as used')
  axes.plot(
    [],
    [],
    'D',
    color='C1',
    fillstyle='none',
    linestyle='none',
    label='experts, not yet collapsed, mean',
  )
  axes.set_xticks(range(len(rows)), [_broken(row['training']) for row in rows])
  axes.set_xlim(-0.5, len(rows) - 0.2)
  axes.set_ylabel('test accuracy')
  axes.set_xlabel('start of the experts, and share rate')
  axes.set_title(f'{rows[0]["task"]}, {rows[0]["n"]} runs and their mean')
  style.below(axes)
