"""Accuracy against the fraction of a delta that is grafted."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('mask', 'density', 'n', 'mean', 'share', 'overlap')
TITLES = {
  'learned': 'learned',
  'top_movement': 'top movement',
  'random': 'random',
}

# Panigrahi et al, 2023, https://arxiv.org/abs/2302.06600, abstract: .01% of the
# parameters give more than 95% of the performance.
PANIGRAHI = (1e-4, 0.95)
SAID = 'Panigrahi et al. 2023, RoBERTa, learned'


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each kind of mask and fraction.

  Args:
    results: Each with `'config'`, flattened, `'status'` and `'result'`. Those
      that did not finish are left out.

  Returns:
    Rows with the accuracy, the mean of the tasks; the share of what
    fine-tuning gives, from 0 for the pretrained encoder to 1, of every seed,
    `shares`, and its mean; and the overlap of two tasks' masks, its mean over
    pairs, and all of it as `matrix`, row by row.
  """
  runs = {}
  for entry in results:
    if entry['status'] == 'done':
      config = entry['config']
      of_seeds = runs.setdefault((config['mask'], config['density']), {})
      of_seeds[config['seed']] = entry['result']
  return [_row(*key, runs[key]) for key in sorted(runs)]


def _row(mask: str, density: float, of_seeds: Mapping[int, Mapping]) -> dict:
  found = [of_seeds[seed] for seed in sorted(of_seeds)]
  mean = lambda kind: np.array(
    [np.mean([v for k, v in x.items() if k.startswith(kind)]) for x in found]
  )
  grafted, pretrained, tuned = map(mean, ('grafted_', 'pretrained_', 'tuned_'))
  shares = (grafted - pretrained) / (tuned - pretrained)
  overlap = np.mean([x['overlap'] for x in found], axis=0)
  others = overlap[~np.eye(len(overlap), dtype=bool)]
  tasks = sorted(k for k in found[0] if k.startswith('grafted_'))
  return {
    'mask': mask,
    'density': density,
    'n': len(found),
    'mean': float(grafted.mean()),
    'share': float(shares.mean()),
    'overlap': float(others.mean()),
    'pretrained': float(pretrained.mean()),
    'tuned': float(tuned.mean()),
    **{
      task.removeprefix('grafted_'): float(np.mean([x[task] for x in found]))
      for task in tasks
    },
    'shares': series.joined(shares),
    'matrix': series.joined(overlap.ravel()),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the share of what fine-tuning gives, and overlaps.

  Args:
    results: As in `table`.

  Returns:
    By mask and fraction, `learned_0.01_share` and so on, (mean, low, high) with
    a 95% bootstrap interval over seeds; and `learned_0.01_overlap`.
  """
  entries = {}
  for row in table(results):
    name = f'{row["mask"]}_{row["density"]:g}'
    entries[f'{name}_share'] = bootstrap.estimate(series.split(row['shares']))
    entries[f'{name}_overlap'] = row['overlap']
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws shares and overlaps, a line for each kind of mask.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  left, right = style.panels(axes, 2, (4.6, 4.4))
  for i, (mask, title) in enumerate(TITLES.items()):
    line = [row for row in rows if row['mask'] == mask]
    if not line:
      continue
    x, about = [r['density'] for r in line], {'color': f'C{i}', 'label': title}
    seeds = [series.split(row['shares']) for row in line]
    ends = [y.min() for y in seeds], [y.max() for y in seeds]
    style.band(left, x, *ends, about['color'])
    left.plot(x, [r['share'] for r in line], '.-', **about)
    right.plot(x, [r['overlap'] for r in line], '.-', **about)
  left.plot(*PANIGRAHI, **style.PAPER, markersize=7, label=SAID)
  for height in 0, 1:
    left.axhline(height, color=style.GREY, linewidth=0.8, zorder=0)
  densities = [row['density'] for row in rows]
  chance = np.geomspace(min(densities), max(densities))
  right.plot(chance, chance, ':', color=style.GREY, label='overlap by chance')
  left.set_title('share of what fine-tuning gives')
  right.set_title('overlap of two tasks, of their masks')
  for place in (left, right):
    style.log_ticks(place.xaxis, steps=(1,))
    place.set_xlabel('fraction of the delta that is grafted')
  style.below(left, right, columns=3)
