"""What lies between three networks, two of which were matched to the third."""

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

COLUMNS = (
  'way',
  'n',
  'ab_loss',
  'bc_loss',
  'bc_calibrated_loss',
  'bc_accuracy',
  'ab_r_0',
  'ab_r_0.3',
  'bc_r_0',
  'bc_r_0.3',
)
METRICS = mode_connectivity.METRICS
# Ito et al, 2025, https://arxiv.org/abs/2402.04051: the barrier of the loss
# between b and c, of fully connected networks on CIFAR-10.
ITO = {'weight_matching': -0.098, 'straight_through': 0.296}


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each way to match.

  Args:
    results: Of `experiments.mode_connectivity.three`, one for each trio. Those
      that did not finish are left out.

  Returns:
    Rows with means over n trios. 'ab' is between the anchor and a network that
    was matched to it, the mean of both; 'bc' between these two. The barriers
    of the test set at the midpoint, `bc_loss`, `bc_calibrated_loss` and
    `bc_accuracy`; of bc those of other definitions and of the training set,
    `bc_train_loss_chord`; R by gamma, `bc_r_0.3`; the distances; and
    of what is not repaired the test loss of points between all three, `loss`,
    at `weights`, those of b and c.
  """
  runs = {}
  for entry in results:
    if entry['status'] == 'done':
      name = mode_connectivity.way(entry['config'])
      runs.setdefault(name, []).append(entry['result'])
  order = list(mode_connectivity.TITLES)
  by_method = lambda name: (
    order.index(name.removesuffix(mode_connectivity.RESET)),
    name,
  )
  return [_row(name, runs[name]) for name in sorted(runs, key=by_method)]


def _row(name: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  row = {'way': name, 'n': len(found)}
  cells = {}
  for gamma in found[0]['r']:
    cells |= _pairs(f'r_{gamma}', [x['r'][gamma] for x in found])
  cells |= _pairs('distance', [x['distance'] for x in found])
  for metric in METRICS:
    middle = [x['barriers']['midpoint'][f'test_{metric}'] for x in found]
    cells[f'bc_{metric}'] = middle
    if 'edges' in found[0]:
      edges = [
        {pair: x[f'test_{metric}'] for pair, x in y['edges'].items()}
        for y in found
      ]
      cells[f'ab_{metric}'] = _pairs(metric, edges)[f'ab_{metric}']
    for split in ('test', 'train'):
      for kind in mode_connectivity.KINDS:
        heights = [x['barriers'][kind][f'{split}_{metric}'] for x in found]
        cells[f'bc_{split}_{metric}_{kind}'] = heights
  for cell, values in cells.items():
    row[cell] = float(np.mean(values))
    row[f'{cell}_of_trios'] = series.joined(values)
  if 'simplex' in found[0]:
    losses = np.mean([x['simplex']['test_loss'] for x in found], axis=0)
    weights = np.array(found[0]['weights'])
    row |= {
      'loss': series.joined(losses),
      'weights_b': series.joined(weights[:, 1]),
      'weights_c': series.joined(weights[:, 2]),
    }
  return row


def _pairs(
  name: str, found: Sequence[Mapping[str, float]]
) -> dict[str, list[float]]:
  """Returns the mean of both pairs with the anchor, and the pair without."""
  return {
    f'ab_{name}': [(x['ab'] + x['ac']) / 2 for x in found],
    f'bc_{name}': [x['bc'] for x in found],
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns barriers at the midpoint, and R, by way.

  Args:
    results: As in `table`.

  Returns:
    As 'weight_matching/bc_loss' and so on, for all that is in `COLUMNS`, (mean,
    low, high) with a 95% bootstrap interval over trios.
  """
  return {
    f'{row["way"]}/{cell}': bootstrap.estimate(
      series.split(row[f'{cell}_of_trios'])
    )
    for row in table(results)
    for cell in COLUMNS[2:]
    if cell in row
  }


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the loss between all three for each method; barriers and R below.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  shown = [row for row in rows if 'loss' in row]
  place, figure = axes.get_subplotspec(), axes.figure
  axes.remove()
  figure.set_size_inches(11, 7.4)
  above, under = place.subgridspec(2, 1, height_ratios=(1.25, 1))
  triangles = [
    figure.add_subplot(cell) for cell in above.subgridspec(1, len(shown))
  ]
  losses = np.concatenate([series.split(row['loss']) for row in shown])
  levels = np.geomspace(losses.min() * 0.999, losses.max() * 1.001, 16)
  for row, triangle in zip(shown, triangles, strict=True):
    drawn = _draw_triangle(row, triangle, levels)
  figure.colorbar(
    drawn,
    ax=triangles,
    location='bottom',
    shrink=0.4,
    label='test loss',
    ticks=ticker.LogLocator(subs=(1, 2, 5)),
    format='{x:g}',
  )
  bars = [figure.add_subplot(cell) for cell in under.subgridspec(1, 2)]
  # The edges are not in older results.
  pairs = [cell for cell in ('ab_loss', 'bc_loss') if cell in shown[0]]
  _draw_bars(shown, bars[0], {cell: _PAIRS[cell[:2]] for cell in pairs})
  _draw_paper(shown, bars[0], pairs.index('bc_loss'))
  bars[0].set_title('barrier of the test loss, at the midpoint')
  alike = [cell for cell in COLUMNS if '_r_' in cell]
  titles = {x: f'{_SHORT[x[:2]]},\ngamma {x[5:]}' for x in alike}
  _draw_bars(shown, bars[1], titles)
  bars[1].set_title('alignment R of the singular vectors')
  style.below(
    bars[0],
    columns=5,
    title=f'bar: mean over {rows[0]["n"]} trios; stroke: lowest to highest',
  )


def _draw_triangle(
  row: Mapping[str, Any], axes: mpl_axes.Axes, levels: np.ndarray
) -> Any:
  """Draws the test loss, with the anchor on top."""
  b, c, loss = (
    series.split(row[k]) for k in ('weights_b', 'weights_c', 'loss')
  )
  x, y = c + (1 - b - c) / 2, (1 - b - c) * np.sqrt(3) / 2
  drawn = axes.tricontourf(x, y, loss, levels, cmap='viridis_r', norm='log')
  corners = {'a': (0.5, 0.9), 'b': (0, -0.04), 'c': (1, -0.04)}
  for name, at in corners.items():
    top = name == 'a'
    axes.text(*at, name, ha='center', va='bottom' if top else 'top')
  axes.set_aspect('equal')
  axes.set_axis_off()
  axes.set_title(
    mode_connectivity.look(row['way'])['label'], loc='center', y=1.08
  )
  return drawn


_PAIRS = {
  'ab': 'a and one matched to it',
  'bc': 'b and c, both matched to a',
}

_SHORT = {'ab': 'a and one', 'bc': 'b and c'}


def _draw_bars(
  rows: Sequence[Mapping[str, Any]],
  axes: mpl_axes.Axes,
  titles: Mapping[str, str],
) -> None:
  """Draws cells side by side, a bar for each way."""
  for i, row in enumerate(rows):
    about = mode_connectivity.look(row['way'])
    x = np.arange(len(titles)) + _offset(i, len(rows))
    heights = np.array([row[cell] for cell in titles])
    trios = [series.split(row[f'{cell}_of_trios']) for cell in titles]
    ends = np.array([(y.min(), y.max()) for y in trios]).T
    axes.bar(
      x,
      heights,
      0.75 / len(rows),
      yerr=np.abs(ends - heights),
      error_kw={'elinewidth': 1, 'ecolor': 'black'},
      color=about['color'],
      label=about['label'],
    )
  axes.set_xticks(range(len(titles)), titles.values())


def _offset(i: int, count: int) -> float:
  """Returns where the bar of a way is, beside the middle of its group."""
  return (i - (count - 1) / 2) * 0.8 / count


def _draw_paper(
  rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes, group: int
) -> None:
  """Draws the paper's barriers, over the bars of their ways."""
  places = {
    group + _offset(i, len(rows)): ITO[row['way']]
    for i, row in enumerate(rows)
    if row['way'] in ITO
  }
  axes.plot(
    list(places),
    list(places.values()),
    **style.PAPER | {'color': 'black'},
    markersize=6,
    label='Ito et al. 2025, on CIFAR-10',
  )
  axes.axhline(0, color=style.GREY, linewidth=0.8)
