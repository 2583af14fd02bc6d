"""Merged encoders beside the pretrained and the single-task ones."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('method', 'n', 'mean', 'std', 'validation', 'coefficients')
TITLES = {
  'adamerging': 'AdaMerging',
  'della': 'DELLA',
  'fisher': 'Fisher',
  'iso_c': 'Iso-C',
  'linear': 'average',
  'opcm': 'OPCM',
  'pcb': 'PCB',
  'regmean': 'RegMean',
  'single_task': 'single-task',
  'ties': 'TIES',
  'tsv': 'TSV',
  'widen': 'WIDEN',
}
ENDS = ('pretrained', 'single-task')
DROPPED = 'DARE, '


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each method, the worst first.

  Args:
    results: Each with `'config'`, flattened, `'status'` and `'result'`. Those
      that did not finish are left out.

  Returns:
    Rows with the accuracy over seeds, the mean of the tasks, `accuracies`, in
    the order of the seeds; its mean and deviation; the mean for each task; the
    coefficients that were chosen; and, of methods that give several encoders
    for a seed, the deviation over these, `within`.
  """
  runs = {}
  for entry in results:
    if entry['status'] == 'done':
      config = entry['config']
      runs.setdefault(_name(config), {})[config['seed']] = entry['result']
  rows = [_row(name, of_seeds) for name, of_seeds in runs.items()]
  return sorted(rows, key=lambda row: row['mean'])


def _name(config: Mapping[str, Any]) -> str:
  name = TITLES.get(config['method'], config['method'].replace('_', ' '))
  return DROPPED + name if config['drop'] else name


def _row(name: str, of_seeds: Mapping[int, Mapping[str, Any]]) -> dict:
  found = [of_seeds[seed] for seed in sorted(of_seeds)]
  accuracies = np.array([x['accuracy'] for x in found])
  tasks = sorted(k for k in found[0] if k.startswith('test_'))
  several = len(found[0]['accuracies']) > 1
  chosen = len(found[0]['tried']) > 1
  return {
    'method': name,
    'n': len(found),
    'mean': float(accuracies.mean()),
    'std': float(accuracies.std(ddof=1)) if len(found) > 1 else None,
    'validation': float(np.mean([x['validation'] for x in found])),
    **{
      task.removeprefix('test_'): float(np.mean([x[task] for x in found]))
      for task in tasks
    },
    'coefficients': ' '.join(f'{x["coefficient"]:g}' for x in found)
    if chosen
    else None,
    'within': float(np.mean([np.std(x['accuracies'], ddof=1) for x in found]))
    if several
    else None,
    'accuracies': series.joined(accuracies),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns accuracies, and what one method gains over another.

  Args:
    results: As in `table`.

  Returns:
    The accuracy of each method, `average`, `dare_ties` and so on; and, seed by
    seed, `task_arithmetic_over_average`, `ties_over_task_arithmetic`,
    `regmean_over_ties` and `adamerging_over_ties`; each (mean, low, high) with
    a 95% bootstrap interval over seeds. `opcm_orders` is the deviation over
    orders.
  """
  rows = {_key(row['method']): row for row in table(results)}
  of = {key: series.split(row['accuracies']) for key, row in rows.items()}
  entries = {key: bootstrap.estimate(x) for key, x in of.items()}
  for better, worse in (
    ('task_arithmetic', 'average'),
    ('ties', 'task_arithmetic'),
    ('regmean', 'ties'),
    ('adamerging', 'ties'),
  ):
    if better in of and worse in of and len(of[better]) == len(of[worse]):
      gain = bootstrap.estimate(of[better] - of[worse])
      entries[f'{better}_over_{worse}'] = gain
  if 'opcm' in rows:
    entries['opcm_orders'] = rows['opcm']['within']
  return entries


def _key(name: str) -> str:
  return name.lower().replace(', ', '_').replace(' ', '_').replace('-', '_')


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the accuracy of every method, each seed and their mean.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  for y, row in enumerate(rows):
    color = style.GREY if row['method'] in ENDS else 'C0'
    color = 'C1' if row['method'].startswith(DROPPED) else color
    accuracies = series.split(row['accuracies'])
    axes.plot(accuracies, [y] * len(accuracies), '.', color=color, alpha=0.5)
    axes.plot(row['mean'], y, 'o', color=color)
    axes.annotate(
      f'{row["mean"]:.3f}',
      (max(accuracies), y),
      xytext=(6, 0),
      textcoords='offset points',
      verticalalignment='center',
      fontsize='small',
    )
    if row['method'] in ENDS:
      axes.axvline(row['mean'], color=style.GREY, linewidth=0.8, zorder=0)
  titles = [row['method'].replace(DROPPED, 'DARE-') for row in rows]
  axes.set_yticks(range(len(rows)), titles)
  axes.margins(x=0.12)
  axes.set_xlabel('accuracy, mean of the tasks')
  axes.set_title(
    f'one encoder for six tasks on sentences, {rows[0]["n"]} seeds and mean'
  )
