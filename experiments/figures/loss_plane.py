"""The test loss on the plane of two networks and the second one permuted."""

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

COLUMNS = ('pair', 'ab_loss', 'ac_loss', 'bc_loss', 'distance_ratio')
LINES = ('ab', 'ac', 'bc')
NAMES = ('a', 'b', 'b, permuted')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each pair of networks.

  Args:
    results: Of `experiments.mode_connectivity.plane`. Those that did not finish
      are left out.

  Returns:
    Rows with the seeds of the `pair`; the axes 'x' and 'y', in L2 distances,
    and the test loss there, 'loss', row after row; where the models are,
    'models_x' and 'models_y'; the barriers on the lines between them, `ab_loss`
    and `ab_accuracy`, with c for the permuted b; and the ratio of the distances
    after the permutation and before.
  """
  done = [entry for entry in results if entry['status'] == 'done']
  return [_row(entry['config'], entry['result']) for entry in done]


def _row(
  config: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
  models = np.array(result['models'])  # [3, 2]
  row = {'pair': ' and '.join(map(str, config['models']))}
  for name in LINES:
    for metric, height in result['barriers'][name].items():
      row[f'{name}_{metric}'] = height
  before, after = np.linalg.norm(models[1:] - models[0], axis=1)
  return row | {
    'distance_ratio': float(after / before),
    'x': series.joined(result['x']),
    'y': series.joined(result['y']),
    'loss': series.joined(np.ravel(result['loss'])),
    'models_x': series.joined(models[:, 0]),
    'models_y': series.joined(models[:, 1]),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the barriers between the three.

  Args:
    results: As in `table`.

  Returns:
    'ab/loss', 'ac/loss', 'bc/loss' and the same with 'accuracy', where c is the
    permuted b; and 'distance_ratio'; each (mean, low, high) with a 95%
    bootstrap interval over pairs.
  """
  rows = table(results)
  mean = lambda cell: bootstrap.estimate([row[cell] for row in rows])
  barriers = {
    f'{line}/{metric}': mean(f'{line}_{metric}')
    for line in LINES
    for metric in ('loss', 'accuracy')
  }
  return {**barriers, 'distance_ratio': mean('distance_ratio')}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws a map for each pair, with one scale of colours.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  places = style.panels(axes, len(rows))
  losses = np.concatenate([series.split(row['loss']) for row in rows])
  # What is far from all three would take most of the colours.
  high = max(np.quantile(losses, 0.9), losses.min() * 2)
  levels = np.geomspace(losses.min() * 0.999, high, 16)
  for row, place in zip(rows, places, strict=True):
    drawn = _draw_plane(row, place, levels)
  places[0].figure.colorbar(
    drawn,
    ax=places,
    location='bottom',
    shrink=0.4,
    label='test loss',
    ticks=ticker.LogLocator(subs=(1, 2, 5)),
    format='{x:g}',
  )


def _draw_plane(
  row: Mapping[str, Any], axes: mpl_axes.Axes, levels: np.ndarray
) -> Any:
  x, y, loss = (series.split(row[key]) for key in ('x', 'y', 'loss'))
  drawn = axes.contourf(
    x,
    y,
    loss.reshape(len(y), len(x)),
    levels,
    cmap='viridis_r',
    norm='log',
    extend='max',
  )
  models = zip(
    NAMES,
    series.split(row['models_x']),
    series.split(row['models_y']),
    strict=True,
  )
  for name, at_x, at_y in models:
    axes.plot(at_x, at_y, 'o', color='white', markeredgecolor='black')
    axes.annotate(
      name,
      (at_x, at_y),
      xytext=(0, 7),
      textcoords='offset points',
      horizontalalignment='center',
      bbox={
        'boxstyle': 'round,pad=0.15',
        'facecolor': 'white',
        'edgecolor': 'none',
        'alpha': 0.75,
      },
    )
  axes.set_aspect('equal')
  axes.grid(False)
  axes.set_xlabel('L2 distance along b - a')
  axes.set_title(
    f'networks {row["pair"]}: barrier {row["ab_loss"]:.2f},\n'
    f'permuted {row["ac_loss"]:.3f}; b to itself, permuted '
    f'{row["bc_loss"]:.2f}'
  )
  return drawn
