"""How many dimensions separate two networks, before and after a permutation."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import bootstrap
from experiments.figures import crossing
from experiments.figures import li2018
from experiments.figures import mode_connectivity
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('width', 'way', 'dim', 'n', 'worst', 'loss', 'ends', 'D')
SHARES = (0.9, 0.95)  # q, of the accuracy of the networks.
MARKERS = {0.9: 'D', 0.95: 's'}


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each shape, way to match and dimension.

  Args:
    results: Of `experiments.mode_connectivity.difference`, one for each pair,
      way and dimension. Those that did not finish are left out.

  Returns:
    Rows with means over n pairs, in the order of the dimensions, of which 0 is
    the segment, and D the bend in all parameters: the lowest test accuracy on
    the curve over the mean of the networks', 'worst', with all pairs in
    'worst_of_pairs'; the highest test loss; the accuracy of the networks,
    'ends'; the distance between them, and of the bend from their midpoint.
  """
  runs = {}
  for entry in results:
    if entry['status'] != 'done':
      continue
    config, result = entry['config'], entry['result']
    shape = config['model.depth'], config['model.width'], config['method']
    pair = tuple(config['models'])
    runs.setdefault((*shape, result['d']), {})[pair] = _measured(result, 'bent')
    runs.setdefault((*shape, 0), {})[pair] = _measured(result, 'line')
  order = lambda key: (*key[:2], list(mode_connectivity.TITLES).index(key[2]))
  return [
    _row(*key, [runs[key][pair] for pair in sorted(runs[key])])
    for key in sorted(runs, key=lambda key: (order(key), key[3]))
  ]


def _measured(result: Mapping[str, Any], name: str) -> dict[str, float]:
  accuracy = result[f'{name}_accuracy']
  ends = (accuracy[0] + accuracy[-1]) / 2
  return {
    'worst': min(accuracy) / ends,
    'loss': max(result[f'{name}_loss']),
    'ends': ends,
    'distance': result['distance'],
    'bend': result['bend'] if name == 'bent' else 0.0,
    'D': result['D'],
  }


def _row(
  depth: int, width: int, way: str, dim: int, found: Sequence[Mapping]
) -> dict[str, Any]:
  mean = lambda key: float(np.mean([x[key] for x in found]))
  return {
    'depth': depth,
    'width': width,
    'way': way,
    'dim': dim,
    'n': len(found),
    **{key: mean(key) for key in ('worst', 'loss', 'ends', 'distance', 'bend')},
    'D': found[0]['D'],
    'worst_of_pairs': series.joined([x['worst'] for x in found]),
  }


def dimension(
  rows: Sequence[Mapping[str, Any]], share: float
) -> tuple[float, float, float]:
  """Returns d_q of one shape and way.

  Args:
    rows: As returned by `table`, of that shape and way.
    share: q.

  Returns:
    The least d at which the mean curve reaches q, linear in log d between what
    was measured, and the ends of its 95% bootstrap interval over pairs. 0 where
    the segment reaches it; the least d that was tried where that reaches it,
    though fewer might; and infinite where none but all D parameters do.
  """
  segment, *inside = [row for row in rows if row['dim'] < row['D']]
  if segment['worst'] >= share or not inside:
    reached = 0.0 if segment['worst'] >= share else float('inf')
    return (reached,) * 3
  dims = [row['dim'] for row in inside]
  pairs = [series.split(row['worst_of_pairs']) for row in inside]
  means = np.array([x.mean() for x in pairs])
  value = float(crossing.crossing(dims, means, share))
  return (value, *crossing.bootstrap(dims, pairs, share))


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the dimensions, and how good the segment is, by shape and way.

  Args:
    results: As in `table`.

  Returns:
    As '3x512/none/d_90' and '3x512/none/d_95' what `dimension` does; as
    '3x512/none/segment' and '3x512/none/all' the lowest accuracy on the segment
    and on the curve in all parameters, over that of the networks, (mean, low,
    high) with a 95% bootstrap interval over pairs.
  """
  entries = {}
  for shape, own in _groups(table(results)).items():
    depth, width, way = shape
    name = f'{depth}x{width}/{way}'
    for share in SHARES:
      entries[f'{name}/d_{100 * share:.0f}'] = dimension(own, share)
    for row in own:
      if row['dim'] in (0, row['D']):
        at = 'all' if row['dim'] else 'segment'
        entries[f'{name}/{at}'] = bootstrap.estimate(
          series.split(row['worst_of_pairs'])
        )
  return entries


def _groups(rows: Sequence[Mapping[str, Any]]) -> dict[tuple, list[Mapping]]:
  groups = {}
  for row in rows:
    key = row['depth'], row['width'], row['way']
    groups.setdefault(key, []).append(row)
  return groups


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws curves, of the narrowest and the widest, and dimensions by width.

  Args:
    rows: As returned by `table`, of one depth.
    axes: Where to draw; it is replaced.
  """
  widths = sorted({row['width'] for row in rows})
  shown = sorted({widths[0], widths[-1]})
  *places, last = style.panels(axes, len(shown) + 1)
  for width, place in zip(shown, places, strict=True):
    own = [row for row in rows if row['width'] == width]
    for (*_, way), group in _groups(own).items():
      _draw_curve(way, group, place)
    for share in SHARES:
      place.axhline(share, color=style.GREY, linewidth=0.8, linestyle='--')
    style.count_axis(place, 'dimensions of the bend; open: 0, and D')
    place.set_ylim(0, 1.02)
    place.set_title(f'width {width}: D = {own[0]["D"]:,}')
  places[0].set_ylabel('lowest accuracy on the way / of the networks')
  _draw_dimensions(rows, last)
  style.below(last, columns=5)


def _draw_curve(
  way: str, rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes
) -> None:
  """Draws one way's mean and range over pairs, and both ends by themselves."""
  color = mode_connectivity.look(way)['color']
  inside = [row for row in rows if 0 < row['dim'] < row['D']]
  dims = [row['dim'] for row in inside]
  pairs = [series.split(row['worst_of_pairs']) for row in inside]
  axes.fill_between(
    dims,
    [x.min() for x in pairs],
    [x.max() for x in pairs],
    color=color,
    alpha=0.18,
    linewidth=0,
  )
  axes.plot(dims, [r['worst'] for r in inside], '.-', color=color)
  for row in rows:
    if row not in inside:  # The segment goes to the left, of a logarithm.
      x = row['dim'] or min(dims) / 3
      axes.plot(x, row['worst'], 'o', color=color, fillstyle='none')


def _draw_dimensions(
  rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes
) -> None:
  """Draws d_q of each way against the width, where it is reached."""
  found = {
    (way, share, width): dimension(own, share)
    for (_, width, way), own in _groups(rows).items()
    for share in SHARES
  }
  for way in dict.fromkeys(way for way, *_ in found):
    color = mode_connectivity.look(way)['color']
    for share in SHARES:
      points = {
        width: ends
        for (w, q, width), ends in found.items()
        if (w, q) == (way, share)
      }
      sizes = np.array(list(points))
      value, low, high = np.array(list(points.values())).T  # Each [widths].
      value = np.where(np.isfinite(value), value, np.nan)
      axes.plot(
        sizes,
        value,
        marker=MARKERS[share],
        linestyle='-' if share == min(SHARES) else ':',
        color=color,
        label=f'{share:.0%}, {mode_connectivity.TITLES[way]}',
      )
      finite = np.isfinite(high)
      axes.vlines(sizes[finite], low[finite], high[finite], color=color)
  _draw_paper(rows, axes)
  axes.set_yscale('symlog', linthresh=10)
  axes.set_ylim(bottom=-1)
  widths = [width for *_, width in found]
  axes.set_xlim(min(widths) / 1.2, max(widths) * 1.2)  # All may be infinite.
  axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  style.count_axis(axes, 'units of a hidden layer')
  axes.set_xticks(sorted(set(widths)))
  axes.set_title('dimensions that separate two networks')


def _draw_paper(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws d_int90 from an initialisation, of networks of that depth."""
  depth = rows[0]['depth']
  sizes = {  # D by width.
    width: 785 * width + (depth - 1) * (width + 1) * width + 10 * (width + 1)
    for width in (50, 100, 200, 400)
  }
  found = {w: li2018.NETWORKS[size] for w, size in sizes.items()}
  axes.plot(
    list(found),
    list(found.values()),
    **style.PAPER,
    label=f'{li2018.LABEL}: 90%, from initialisation',
  )
