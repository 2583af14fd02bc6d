"""R, whether singular directions agree, by the way networks were matched."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import bootstrap
from experiments.figures import mode_connectivity
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('way', 'gamma', 'n', 'r', 'kept', 'barrier')
VALUES = 'singular values'  # The rows that are of them, and of no way.


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each way and gamma, and one for each kernel's values.

  Args:
    results: Of `experiments.mode_connectivity.alignment`, one for each pair and
      way. Those that did not finish are left out.

  Returns:
    Rows with the mean over n pairs of R and all pairs, `r_of_pairs`; the same
    for each kernel, `r_KERNEL`; the mean share of directions that are compared,
    `kept`; and the midpoint barrier of the test loss. With the way 'singular
    values', by `kernel`, the mean values of the first networks and of the
    second, `values_a` and `values_b`, from the largest, and how far they
    differ, `apart`: |s_a - s_b| / |s_a|.
  """
  done = [entry for entry in results if entry['status'] == 'done']
  ways = {}
  for entry in done:
    name = mode_connectivity.way(entry['config'])
    ways.setdefault(name, []).append(entry['result'])
  order = [name for name in mode_connectivity.TITLES if name in ways]
  rows = [
    _row(name, i, ways[name])
    for name in order
    for i in range(len(ways[name][0]['gammas']))
  ]
  # Matching leaves them as they are: those of one way are those of all.
  return rows + _values(ways[order[0]])


def _row(
  name: str, i: int, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  r = [x['r'][i] for x in found]
  mean = lambda values: float(np.mean(values))
  return {
    'way': name,
    'gamma': found[0]['gammas'][i],
    'n': len(found),
    'r': mean(r),
    'r_of_pairs': series.joined(r),
    'kept': mean([x['kept'][i] for x in found]),
    'barrier': mean([x['barrier'] for x in found]),
    'barrier_of_pairs': series.joined([x['barrier'] for x in found]),
    **{
      f'r_{_kernel(leaf)}': mean([x['leaves'][leaf][i] for x in found])
      for leaf in found[0]['leaves']
    },
  }


def _values(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  rows = []
  for leaf in found[0]['singular_values']:
    values = np.array([x['singular_values'][leaf] for x in found])  # [n, 2, k]
    a, b = values.mean(0)
    apart = np.linalg.norm(values[:, 0] - values[:, 1], axis=1)
    rows.append(
      {
        'way': VALUES,
        'kernel': _kernel(leaf),
        'n': len(found),
        'values_a': series.joined(np.round(a, 5)),
        'values_b': series.joined(np.round(b, 5)),
        'apart': float((apart / np.linalg.norm(values[:, 0], axis=1)).mean()),
      }
    )
  return rows


def _kernel(leaf: str) -> str:
  """Returns the layer of a leaf.

  >>> _kernel('params/Dense_0/kernel')
  'Dense_0'
  """
  return leaf.split('/')[-2]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns R by way and gamma, barriers, and how far singular values differ.

  Args:
    results: As in `table`.

  Returns:
    'weight_matching/0.3/r' and so on, and 'weight_matching/barrier', (mean,
    low, high) with a 95% bootstrap interval over pairs; and 'Dense_0/apart',
    the difference of a kernel's singular values, relative to their norm.
  """
  entries = {}
  for row in table(results):
    if row['way'] == VALUES:
      entries[f'{row["kernel"]}/apart'] = row['apart']
      continue
    estimate = lambda cell: bootstrap.estimate(series.split(row[cell]))  # noqa: B023
    entries[f'{row["way"]}/{row["gamma"]:g}/r'] = estimate('r_of_pairs')
    entries[f'{row["way"]}/barrier'] = estimate('barrier_of_pairs')
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws R against gamma, R of each kernel, and the singular values.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  first, second, last = style.panels(axes, 3)
  ways = [row for row in rows if row['way'] != VALUES]
  for name in dict.fromkeys(row['way'] for row in ways):
    _draw_way([row for row in ways if row['way'] == name], first)
  first.axhline(0, color=style.GREY, linewidth=0.8, zorder=0)
  first.set_xlabel('gamma: from this share of the largest value')
  first.set_ylabel('R, of all kernels')
  first.set_title('band: all pairs; label: midpoint barrier')
  first.legend()
  matched = [row for row in ways if row['way'] == 'weight_matching']
  values = [row for row in rows if row['way'] == VALUES]
  for i, row in enumerate(values):
    kernel = row['kernel']
    if matched:
      second.plot(
        [x['gamma'] for x in matched],
        [x[f'r_{kernel}'] for x in matched],
        '.-',
        color=f'C{i}',
        label=kernel,
      )
    for end, line in (('a', '-'), ('b', ':')):
      s = series.split(row[f'values_{end}'])
      last.plot(
        np.arange(1, len(s) + 1),
        s,
        line,
        color=f'C{i}',
        label=f'{kernel}: {row["apart"]:.1%} apart' if end == 'a' else None,
      )
  second.set_xlabel('gamma')
  second.set_title('R of each kernel, after weight matching')
  second.legend()
  last.set_xscale('log')
  last.set_yscale('log')
  last.set_ylim(bottom=0.03)
  last.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
  last.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
  last.set_xlabel('number of the singular value')
  last.set_title('singular values, of a and (dotted) of b')
  last.legend()


def _draw_way(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the mean over pairs, and the range of them."""
  about = mode_connectivity.look(rows[0]['way'])
  gammas = [row['gamma'] for row in rows]
  pairs = np.array([series.split(row['r_of_pairs']) for row in rows])
  axes.fill_between(
    gammas,
    pairs.min(1),
    pairs.max(1),
    color=about['color'],
    alpha=0.15,
    linewidth=0,
  )
  about['label'] = f'{about["label"]}: {rows[0]["barrier"]:.3f}'
  axes.plot(gammas, [row['r'] for row in rows], marker='.', **about)
