"""Loss and accuracy between two networks, by the way they were matched."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

COLUMNS = (
  'depth',
  'width',
  'way',
  'n',
  'test_loss_chord',
  'test_calibrated_loss_chord',
  'test_accuracy_chord',
  'train_loss_chord',
  'test_accuracy_at_ends',
  'test_accuracy_middle',
  'distance_ratio',
)
KINDS = ('chord', 'mean', 'ends', 'midpoint')
METRICS = ('loss', 'calibrated_loss', 'accuracy')
RESET = '+reset'  # Behind a method whose hidden statistics were reset.
POSITION = 'position from network a (0) to network b (1)'
TITLES = {
  'none': 'not permuted',
  'weight_matching': 'weight matching',
  'activation_matching': 'activation matching',
  'straight_through': 'straight-through',
  'frank_wolfe': 'Frank-Wolfe',
  'from_identity': 'weight matching from the identity',
}


def way(config: Mapping[str, Any]) -> str:
  """Returns the name of a method, and whether statistics were reset.

  >>> way({'method': 'none', 'repair': True})
  'none+reset'
  """
  return config['method'] + RESET * config['repair']


def look(name: str) -> dict[str, Any]:
  """Returns color, line and label of a way: dashed where it was reset."""
  method, reset = name.removesuffix(RESET), name.endswith(RESET)
  methods = list(TITLES)
  return {
    'color': f'C{methods.index(method) - 1}'
    if method != 'none'
    else style.GREY,
    'linestyle': '--' if reset else '-',
    'label': TITLES[method] + (', statistics reset' if reset else ''),
  }


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each shape of network and way to match.

  Args:
    results: Of `experiments.mode_connectivity`, one for each pair. Those that
      did not finish are left out.

  Returns:
    Rows with means over n pairs. Of 'train' and 'test', 'loss', 'calibrated_
    loss' and 'accuracy': the barriers by each definition, `test_loss_chord`,
    and of these all pairs, `*_of_pairs`; what is at the ends, `*_ends`, and at
    the midpoint, `*_middle`; and the curves, at the points 't'. Of those that
    are drawn also the lowest and the highest of the pairs, `*_curve_low` and
    `*_curve_high`. And the temperature at the midpoint and at the ends, and the
    ratio of the distances after the permutation and before.
  """
  runs = {}
  for entry in results:
    if entry['status'] == 'done':
      config = entry['config']
      key = config['model.depth'], config['model.width'], way(config)
      runs.setdefault(key, []).append(entry['result'])
  order = lambda key: (*key[:2], list(TITLES).index(_method(key[2])), key[2])
  return [_row(*key, runs[key]) for key in sorted(runs, key=order)]


def _method(name: str) -> str:
  return name.removesuffix(RESET)


def _row(
  depth: int, width: int, name: str, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  row = {'depth': depth, 'width': width, 'way': name, 'n': len(found)}
  row['t'] = series.joined(found[0]['t'])
  ratios = [x['distance'] / x['distance_before'] for x in found]
  row['distance_ratio'] = float(np.mean(ratios))
  row |= _values('temperature', found)
  for split in ('test', 'train'):
    for metric in METRICS:
      row |= _barriers(f'{split}_{metric}', found)
      row |= _values(f'{split}_{metric}', found)
  for metric in _PANELS:
    bounds = series.bounds([x['values'][metric] for x in found])
    row[f'{metric}_curve_low'], row[f'{metric}_curve_high'] = bounds
  return row


def _barriers(
  metric: str, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  row = {}
  for kind in KINDS:
    heights = [x['barriers'][kind][metric] for x in found]
    row[f'{metric}_{kind}'] = float(np.mean(heights))
    row[f'{metric}_{kind}_of_pairs'] = series.joined(heights)
  return row


def _values(metric: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  curves = np.array([x['values'][metric] for x in found])  # [pairs, steps]
  middle = curves[:, curves.shape[1] // 2]
  return {
    f'{metric}_at_ends': float(curves[:, [0, -1]].mean()),
    f'{metric}_middle': float(middle.mean()),
    f'{metric}_middle_of_pairs': series.joined(middle),
    f'{metric}_curve': series.joined(curves.mean(0)),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what lies between the networks, by shape and way.

  Args:
    results: As in `table`.

  Returns:
    By depth, width and way the barriers above the chord, on the test set, as
    '3x512/weight_matching/loss', '/calibrated_loss' and '/accuracy', and the
    accuracy at the midpoint, '/middle', each (value, low, high) with a 95%
    bootstrap interval over pairs; and the accuracy of the networks, '3x512'.
  """
  entries = {}
  for row in table(results):
    shape = f'{row["depth"]}x{row["width"]}'
    entries.setdefault(shape, row['test_accuracy_at_ends'])
    cells = {m: f'test_{m}_chord_of_pairs' for m in METRICS}
    cells['middle'] = 'test_accuracy_middle_of_pairs'
    for name, cell in cells.items():
      estimate = bootstrap.estimate(series.split(row[cell]))
      entries[f'{shape}/{row["way"]}/{name}'] = estimate
  return entries


_PANELS = {
  'test_loss': 'test loss',
  'test_calibrated_loss': 'test loss, temperature calibrated',
  'test_accuracy': 'test accuracy',
}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws loss, calibrated loss and accuracy along the line.

  Args:
    rows: As returned by `table`, of one shape.
    axes: Where to draw; it is replaced.
  """
  places = style.panels(axes, len(_PANELS))
  for (metric, title), place in zip(_PANELS.items(), places, strict=True):
    for row in rows:
      about = look(row['way'])
      t, curve, low, high = (
        series.split(row[cell])
        for cell in (
          't',
          f'{metric}_curve',
          f'{metric}_curve_low',
          f'{metric}_curve_high',
        )
      )
      style.band(place, t, low, high, about['color'])
      place.plot(t, curve, **about)
    if 'loss' in metric:
      style.log_where_wide(place.yaxis)
    place.set_xlabel(POSITION)
    place.set_title(title)
  style.below(places[0], title=pairs_title(rows))


def pairs_title(rows: Sequence[Mapping[str, Any]]) -> str:
  """Says of how many pairs lines and bands are."""
  count = '-'.join(map(str, sorted({row['n'] for row in rows})))
  return f'line: mean over {count} pairs of networks; band: lowest to highest'


def draw_means(
  rows: Sequence[Mapping[str, Any]],
  axes: mpl_axes.Axes,
  against: str,
  cell: str,
  change: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> None:
  """Draws a line for each way against the shape of the networks.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
    against: 'depth' or 'width'.
    cell: Whose `*_of_pairs` is drawn.
    change: Of the numbers, before their mean is taken.
  """
  for name in dict.fromkeys(row['way'] for row in rows):
    own = [row for row in rows if row['way'] == name]
    about = look(name)
    x = [row[against] for row in own]
    pairs = [change(series.split(row[f'{cell}_of_pairs'])) for row in own]
    ends = [y.min() for y in pairs], [y.max() for y in pairs]
    style.band(axes, x, *ends, about['color'])
    axes.plot(x, [y.mean() for y in pairs], marker='.', **about)
