"""Merged accuracy against the number of tasks, and against sign conflict."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import bootstrap
from experiments.figures import ranks
from experiments.figures import series
from experiments.figures import style

COLUMNS = (
  'part',
  'method',
  'tasks',
  'n',
  'accuracy',
  'std',
  'scale',
  'conflict_of_shared',
)
PRETRAINED = 'pretrained'  # What is merged into nothing.
SCATTERED = 'task_arithmetic'  # The sum, in which signs that disagree cancel.
TITLES = {
  'average': 'average',
  'dare_ties': 'DARE-TIES',
  'della': 'DELLA',
  'fisher': 'Fisher',
  'global_ties': 'global TIES',
  'iso_c': 'Iso-C',
  'pcb': 'PCB',
  'pretrained': 'pretrained',
  'regmean': 'RegMean',
  'slerp': 'SLERP',
  'task_arithmetic': 'task arithmetic',
  'ties': 'TIES',
  'tsv': 'TSV',
}


def title(method: str) -> str:
  """Returns the name of a method, as figures write it.

  >>> title('dare_ties')
  'DARE-TIES'
  """
  return TITLES.get(method, method.replace('_', ' '))


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns rows of three parts: tasks, merges and subsets.

  Args:
    results: Of `experiments.digits_tasks`, one for each seed. Those that did
      not finish are left out.

  Returns:
    Accuracies are on the test split, and of merges over that of the tuned
    encoders, mean over the tasks that are merged. Of part 'task', the accuracy
    of its own encoder, and 'pretrained'. Of part 'merge', for each method and
    number n of tasks, the mean over subsets and seeds, its deviation over both,
    the means of the seeds, `of_seeds`, and the median scale. Of part 'subset',
    means over seeds of the sign conflict, and of every method's accuracy.
  """
  done = [r['result'] for r in results if r['status'] == 'done']
  found = {
    method: np.array([r['merges'][method]['normalized'] for r in done])
    for method in done[0]['merges']
  }  # [seeds, subsets]
  subsets = done[0]['subsets']
  found[PRETRAINED] = np.array(
    [[_pretrained(r, tasks) for tasks in subsets] for r in done]
  )
  return [*_tasks(done), *_merges(done, found), *_subsets(done, found)]


def _pretrained(result: Mapping[str, Any], tasks: Sequence[str]) -> float:
  ratios = [result['pretrained'][t] / result['single'][t] for t in tasks]
  return float(np.mean(ratios))


def _tasks(done: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
  for task in done[0]['single']:
    single, begin = (
      [r[kind][task] for r in done] for kind in ('single', PRETRAINED)
    )
    yield {
      'part': 'task',
      'tasks': task,
      'accuracy': float(np.mean(single)),
      'of_seeds': series.joined(single),
      PRETRAINED: float(np.mean(begin)),
      f'{PRETRAINED}_of_seeds': series.joined(begin),
    }


def _merges(
  done: Sequence[Mapping[str, Any]], found: Mapping[str, np.ndarray]
) -> Iterable[dict[str, Any]]:
  sizes = np.array([len(tasks) for tasks in done[0]['subsets']])
  for method, accuracies in found.items():
    for n in sorted(set(sizes.tolist())):
      of_size = accuracies[:, sizes == n]  # [seeds, subsets]
      row = {
        'part': 'merge',
        'method': method,
        'n': n,
        'accuracy': float(of_size.mean()),
        'std': float(of_size.std()),
        'of_seeds': series.joined(of_size.mean(1)),
      }
      if method != PRETRAINED:
        scales = np.array([r['merges'][method]['scale'] for r in done])
        row['scale'] = float(np.median(scales[:, sizes == n]))
      yield row


def _subsets(
  done: Sequence[Mapping[str, Any]], found: Mapping[str, np.ndarray]
) -> Iterable[dict[str, Any]]:
  conflicts = {
    name: np.mean([r[name] for r in done], axis=0)
    for name in ('conflict_of_shared', 'conflict_of_kept')
  }
  for i, tasks in enumerate(done[0]['subsets']):
    yield {
      'part': 'subset',
      'tasks': ' '.join(tasks),
      'n': len(tasks),
      **{name: float(values[i]) for name, values in conflicts.items()},
      **{method: float(x[:, i].mean()) for method, x in found.items()},
    }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what is left of the accuracy, and how it goes with sign conflict.

  Args:
    results: As in `table`.

  Returns:
    'single' and 'pretrained', the mean test accuracies over tasks. As
    'METHOD/n' that of a merge over 'single', for pairs and for all tasks. These
    are (value, low, high), with a 95% bootstrap interval over seeds. As
    'METHOD/spearman_pairs', the rank correlation over pairs of tasks of
    accuracy with the sign conflict among shared entries, and as
    'METHOD/spearman_subsets' that over all subsets; as 'METHOD/p_pairs', how
    often the former is as far from 0 when the tasks of one of the two are
    permuted, because pairs that share a task are not independent.
  """
  rows = table(results)
  part = lambda name: [row for row in rows if row['part'] == name]
  mean = lambda key: np.mean(
    [series.split(row[key]) for row in part('task')], axis=0
  )
  entries = {
    'single': bootstrap.estimate(mean('of_seeds')),
    PRETRAINED: bootstrap.estimate(mean(f'{PRETRAINED}_of_seeds')),
  }
  merges, subsets = part('merge'), part('subset')
  most = max(row['n'] for row in merges)
  pairs = [row for row in subsets if row['n'] == 2]
  for row in merges:
    if row['n'] in (2, most):
      seeds = series.split(row['of_seeds'])
      entries[f'{row["method"]}/{row["n"]}'] = bootstrap.estimate(seeds)
  for method in dict.fromkeys(row['method'] for row in merges):
    named = [row['tasks'].split() for row in pairs]
    columns = _columns(pairs, method)
    entries[f'{method}/spearman_pairs'] = ranks.spearman(*columns)
    entries[f'{method}/p_pairs'] = ranks.mantel(named, *columns)
    columns = _columns(subsets, method)
    entries[f'{method}/spearman_subsets'] = ranks.spearman(*columns)
  return entries


def _columns(
  rows: Sequence[Mapping[str, Any]], method: str
) -> tuple[list[float], list[float]]:
  """Returns the conflict and the accuracy of subsets."""
  return [row['conflict_of_shared'] for row in rows], [
    row[method] for row in rows
  ]


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws two panels, in the place of one.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  left, right = style.panels(axes, 2, (5.25, 5))
  _draw_sizes([row for row in rows if row['part'] == 'merge'], left)
  _draw_conflict([row for row in rows if row['part'] == 'subset'], right)


def _draw_sizes(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws accuracy against the number of tasks, a line for each method."""
  of = lambda method, key: np.array(
    [row[key] for row in rows if row['method'] == method]
  )
  methods = dict.fromkeys(row['method'] for row in rows)
  last = {method: of(method, 'accuracy')[-1] for method in methods}
  order = sorted(methods, key=last.get, reverse=True)
  for i, method in enumerate(order):
    grey = method == PRETRAINED
    color = style.GREY if grey else f'C{i % 7}'
    n, mean, std = (of(method, k) for k in ('n', 'accuracy', 'std'))
    shift = 0 if grey else (i - len(order) / 2) * 0.04  # Bars side by side.
    axes.errorbar(
      n + shift,
      mean,
      None if grey else std,
      color=color,
      linestyle='--' if grey or i >= 7 else '-',
      marker='' if grey else 'o' if i < 7 else 's',
      elinewidth=0.7,
      label=f'{title(method)}: {last[method]:.2f}',
    )
  axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes.set_xlabel('tasks in one encoder')
  axes.set_ylabel('accuracy / accuracy of own encoder')
  axes.set_title('mean and deviation over subsets and seeds')
  most = max(row['n'] for row in rows)
  style.below(axes, columns=6, title=f'accuracy, {most} tasks in one encoder')


def _draw_conflict(
  rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes
) -> None:
  """Draws accuracy against sign conflict, a point for each subset."""
  for i, n in enumerate(dict.fromkeys(row['n'] for row in rows)):
    points = [row for row in rows if row['n'] == n]
    axes.plot(
      [row['conflict_of_shared'] for row in points],
      [row[SCATTERED] for row in points],
      'o',
      color=f'C{i}',
      label=f'{n} tasks',
    )
  axes.set_xlabel('sign conflict, as a fraction of what two or more keep')
  axes.set_ylabel(f'accuracy of {TITLES[SCATTERED]} / of own encoder')
  pairs = [row for row in rows if row['n'] == 2]
  correlation, of_pairs = (
    ranks.spearman(*_columns(subsets, SCATTERED)) for subsets in (rows, pairs)
  )
  axes.set_title(
    f'rank correlation {correlation:.2f}; over pairs alone {of_pairs:.2f}'
  )
  axes.legend()
