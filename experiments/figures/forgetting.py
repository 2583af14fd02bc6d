"""What continual training forgets of the first text, for what it learns."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

SEQUENTIAL = 'sequential'
TITLES = {
  'in slices': 'sequential, in slices',
  'BaM linear': 'branch and merge, linear',
  'BaM slerp': 'branch and merge, slerp',
}
QUANTITIES = ('forgetting', 'learning', 'distance')
COLUMNS = (
  'method',
  'learning_rate',
  'n',
  'forgetting',
  'learning',
  'distance',
)


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each method and learning rate.

  Args:
    results: Of `experiments.branch_and_merge`. Those that did not finish are
      left out.

  Returns:
    Rows with the number of runs and the means over them of the forgetting, by
    how much the test loss on the first text rises; of the learning, by how much
    that on the second falls; and of the distance that the parameters moved; and
    the values of the runs, in one string each.
  """
  runs = {}
  for entry in results:
    if entry['status'] != 'done':
      continue
    before = entry['result']['before']
    for arm in entry['result']['arms']:
      numbers = (
        arm['first_loss'] - before['first_loss'],
        before['second_loss'] - arm['second_loss'],
        arm['distance'],
      )
      key = (arm['method'], arm['learning_rate'])
      runs.setdefault(key, []).append(numbers)
  return [_row(*key, np.array(found)) for key, found in runs.items()]


def _row(method: str, rate: float, found: np.ndarray) -> dict[str, Any]:
  """Makes a row of runs `[n, 3]`."""
  row = {'method': method, 'learning_rate': rate, 'n': len(found)}
  for name, runs in zip(QUANTITIES, found.T, strict=True):
    row[name] = float(runs.mean())
    row[f'{name}_of_runs'] = ' '.join(f'{x:.7g}' for x in runs)
  return row


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns each method beside sequential training.

  Args:
    results: As for `table`.

  Returns:
    For each other method, as `'BaM linear/forgetting'`: how much it forgets,
    how much it learns and how far it moves, over what sequential training does
    at the same learning rate, the mean over the rates; and as
    `'BaM linear/below_frontier'`: how many nats it forgets less than sequential
    training that learns as much, the mean over its learning rates. Each is
    (value, low, high) with a 95% bootstrap interval over seeds.
  """
  rows = table(results)
  runs = {
    method: {name: _runs(rows, method, name) for name in QUANTITIES}
    for method in dict.fromkeys(row['method'] for row in rows)
  }
  sequential = runs.pop(SEQUENTIAL)
  found = {}
  for method, own in runs.items():
    for name in QUANTITIES:
      ratios = own[name] / sequential[name]  # [rates, n]
      found[f'{method}/{name}'] = bootstrap.estimate(ratios.mean(axis=0))
    found[f'{method}/below_frontier'] = bootstrap.estimate(
      _below(sequential, own)
    )
  return found


def _runs(
  rows: Iterable[Mapping[str, Any]], method: str, name: str
) -> np.ndarray:
  """Returns a method's numbers by learning rate and seed, `[rates, n]`."""
  texts = [row[f'{name}_of_runs'] for row in rows if row['method'] == method]
  return np.array([text.split() for text in texts], np.float64)


def _below(
  sequential: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]
) -> np.ndarray:
  """Returns how far a method is below the line of sequential training, `[n]`.

  The line goes through nothing learned and nothing forgotten and through the
  learning rates, and is straight between them. What learns more than all of it
  is left out; NaN where nothing remains.
  """
  gaps = []
  for seed in range(own['learning'].shape[1]):
    learned, forgot = (
      np.append(0, sequential[name][:, seed])
      for name in ('learning', 'forgetting')
    )
    order = np.argsort(learned)
    inside = own['learning'][:, seed] <= learned.max()
    line = np.interp(own['learning'][:, seed], learned[order], forgot[order])
    gap = (line - own['forgetting'][:, seed])[inside]
    gaps.append(gap.mean() if len(gap) else np.nan)
  return np.array(gaps)


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws forgetting against learning, a line for each method.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  methods = list(dict.fromkeys(row['method'] for row in rows))
  for i, method in enumerate(methods):
    points = [row for row in rows if row['method'] == method]
    grey = method == SEQUENTIAL
    color = style.GREY if grey else f'C{i - 1}'
    axes.errorbar(
      [row['learning'] for row in points],
      [row['forgetting'] for row in points],
      _reach(points, 'forgetting'),
      _reach(points, 'learning'),
      marker='o',
      color=color,
      linestyle='--' if grey else '-',
      elinewidth=0.8,
      label=TITLES.get(method, method),
    )
    for row in points if grey else ():
      axes.annotate(
        f'{row["learning_rate"]:g}',
        (row['learning'], row['forgetting']),
        xytext=(6, -11),
        textcoords='offset points',
        color=color,
      )
  axes.margins(x=0.1)
  axes.set_xlabel('learning: fall of the loss on the second text, nats a byte')
  axes.set_ylabel('forgetting: rise on the first, nats a byte')
  count = '-'.join(map(str, sorted({row['n'] for row in rows})))
  axes.set_title(
    'lower right is better; the numbers are learning rates\n'
    f'mean of {count} runs, and the lowest and the highest'
  )
  axes.legend(loc='upper left')


def _reach(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
  """Returns how far the runs lie below and above their means, `[2, rows]`."""
  runs = [series.split(row[f'{name}_of_runs']) for row in rows]
  ends = [
    (row[name] - x.min(), x.max() - row[name])
    for row, x in zip(rows, runs, strict=True)
  ]
  return np.maximum(np.array(ends).T, 0)
