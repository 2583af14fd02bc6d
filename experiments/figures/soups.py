"""Soups beside the best model, and where the error of an average comes from."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

RECIPES = (
  'initial',
  'single',
  'best',
  'uniform',
  'greedy',
  'diwa',
  'learned',
  'ensemble',
)
COLUMNS = ('begin', 'split', *RECIPES)
TOGETHER, APART = 'together', 'apart'
HELD_OUT, INSIDE = 'validation', 'test'  # The others are out of distribution.


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each split, of members that begin together and apart.

  Args:
    results: Each with `'config'`, flattened, `'status'` and `'result'`. Those
      that did not finish are left out.

  Returns:
    Rows with the mean over sets of every recipe's accuracy, and of its squared
    error, `*_error`; the parts of the error, as `averaged` divides it; and what
    each set's uniform soup gains over its best model, `gains`.
  """
  rows = []
  for entry in results:
    if entry['status'] != 'done':
      continue
    config, result = entry['config'], entry['result']
    about = {
      'begin': TOGETHER if config['shared'] else APART,
      'seed': config['seed'],
      'sets': config['sets'],
      'members': config['members'],
      'locality': float(np.mean(result['locality'])),
    }
    splits = [k.removesuffix('/bias') for k in result if k.endswith('/bias')]
    rows += [about | _split(split, result, about) for split in splits]
  return rows


def _split(
  split: str, result: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
  read = lambda recipe, what: np.array(result[f'{split}/{recipe}/{what}'])
  row = {'split': split}
  row |= {r: float(read(r, 'accuracy').mean()) for r in RECIPES}
  row |= {f'{r}_error': float(read(r, 'error').mean()) for r in RECIPES}
  members = about['members']
  best = read('best', 'accuracy')
  gains = {r: read(r, 'accuracy') - best for r in ('uniform', 'greedy')}
  return row | {
    'bias': result[f'{split}/bias'],
    'variance_of_mean': result[f'{split}/variance'] / members,
    'covariance_of_mean': result[f'{split}/covariance']
    * (members - 1)
    / members,
    'gap': row['uniform_error'] - row['ensemble_error'],
    **{f'{r}_gains': ' '.join(f'{x:.6f}' for x in g) for r, g in gains.items()},
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what soups gain in accuracy over the best model.

  Args:
    results: As in `table`.

  Returns:
    `uniform_gain_SPLIT` and `greedy_gain_SPLIT` of members that begin together,
    and `*_gain_out`, the mean over all splits out of distribution, each (mean,
    low, high) with a 95% bootstrap interval over sets; `greedy_not_worse`, the
    fraction of all greedy soups that are as good as the best model, or better,
    on what they are chosen by; and `apart_uniform`, the accuracy in
    distribution of the average of members that begin apart.
  """
  rows = table(results)
  together = {r['split']: r for r in rows if r['begin'] == TOGETHER}
  entries = {}
  for recipe in ('uniform', 'greedy'):
    gains = {s: _gains(row, recipe) for s, row in together.items()}
    outside = [g for s, g in gains.items() if s not in (HELD_OUT, INSIDE)]
    if outside:
      gains['out'] = np.mean(outside, axis=0)
    for split, gain in gains.items():
      entries[f'{recipe}_gain_{split}'] = bootstrap.estimate(gain)
  held_out = [_gains(r, 'greedy') for r in rows if r['split'] == HELD_OUT]
  entries['greedy_not_worse'] = float(np.mean(np.stack(held_out) >= 0))
  for row in rows:
    if (row['begin'], row['split']) == (APART, INSIDE):
      entries['apart_uniform'] = row['uniform']
  return entries


def _gains(row: Mapping[str, Any], recipe: str) -> np.ndarray:
  return series.split(row[f'{recipe}_gains'])


# Each part is stacked on those before it. The first three are the error of the
# ensemble, all four that of the average of the weights.
_PARTS = {
  'bias': 'bias',
  'covariance_of_mean': 'covariance',
  'variance_of_mean': 'variance / members',
  'gap': 'weights averaged, not answers',
}
_MARKS = {
  'best': ('D', 4.5, 'best model'),
  'greedy': ('s', 4.5, 'greedy soup'),
  'uniform': ('_', 16, 'uniform soup'),
}
_TITLES = {'test': 'MNIST', 'usps': 'USPS'}
_WIDTH, _TOP = 0.36, 1.25


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the error of the average of all weights, by its parts.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  shown = [row for row in rows if row['split'] != HELD_OUT]
  splits = list(dict.fromkeys(row['split'] for row in shown))
  for row in shown:
    side = -1 if row['begin'] == TOGETHER else 1
    _draw_parts(splits.index(row['split']) + side * _WIDTH / 2, row, axes)
  axes.axhline(1, color=style.GREY, linewidth=0.8)
  axes.set_xticks(range(len(splits)), [_title(split) for split in splits])
  axes.set_ylim(0, _TOP)
  axes.set_ylabel('squared error / that of one model')
  axes.set_title(
    f'{rows[0]["members"]} models averaged, that begin together (left) and '
    'apart (right)',
    loc='left',
  )
  handles, labels = axes.get_legend_handles_labels()
  first = dict(zip(labels[::-1], handles[::-1], strict=True))
  axes.figure.legend(
    first.values(), first.keys(), loc='outside lower center', ncols=3
  )


def _draw_parts(x: float, row: Mapping[str, Any], axes: mpl_axes.Axes) -> None:
  """Draws one row at position `x`: stacked parts, and marks of models."""
  bottom, unit = 0.0, row['single_error']
  for i, (part, label) in enumerate(_PARTS.items()):
    height = max(row[part], 0) / unit
    axes.bar(
      x,
      height,
      _WIDTH * 0.92,
      bottom,
      color=f'C{i}',
      alpha=1.0 if row['begin'] == TOGETHER else 0.5,
      label=label,
    )
    bottom += height
  if bottom > _TOP:
    axes.annotate(
      f'{bottom:.1f}',
      (x, 1.15),
      horizontalalignment='center',
      verticalalignment='center',
    )
  for recipe, (marker, size, label) in _MARKS.items():
    axes.plot(
      x,
      row[f'{recipe}_error'] / unit,
      marker,
      markersize=size,
      color='black',
      fillstyle='none',
      linestyle='none',
      label=label,
    )


def _title(split: str) -> str:
  if split.startswith('rotated_'):
    return f'turned {split.removeprefix("rotated_")}°'
  return _TITLES.get(split, split)
