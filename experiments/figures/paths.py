"""Loss and accuracy on paths between models, and how high their barriers are.

It shows the studies whose results have `paths`, by way, as
`experiments.connections.measured` returns them.
"""

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
  'way',
  'n',
  'barrier',
  'train_barrier',
  'calibrated_barrier',
  'midpoint_loss',
  'midpoint_accuracy',
  'midpoint_temperature',
)
TITLES = {
  'activations': 'activation matching',
  'bezier': 'Bezier curve',
  'folded': 'not permuted, norms folded',
  'line': 'line',
  'line_matched': 'line, weight matching',
  'none': 'not permuted',
  'permuted': 'all permuted',
  'permuted_still': 'all but the stream permuted',
  'polygon': 'polygon',
  'rotated': 'stream rotated',
  'rotated_heads': 'stream and heads rotated',
  'weights': 'weight matching',
}
# Behind a way whose hidden statistics were set anew, on every point.
ANEW = ('_repaired', '_reset')
PLAIN = ('none', 'line')  # They are grey, if there is one width.
LOSS, CALIBRATED = 'test_loss', 'test_calibrated_loss'
ACCURACY = 'test_accuracy'
PANELS = {
  LOSS: 'test loss',
  CALIBRATED: 'test loss, temperature calibrated',
  ACCURACY: 'test accuracy',
}


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each way to go from one model to the other.

  Args:
    results: Each of a pair of models. Those that did not finish are left out.

  Returns:
    Rows with the `way`, 'x4/WAY' at width 4 if there are several widths; the
    number of pairs, `n`; means over them of the barriers of the losses above
    the straight line between the ends, `*barrier`, and of what is at the ends
    and in the middle. `*_of_pairs` has all pairs in one string, and `test_*`
    the means over pairs of the values at every `t`, with the lowest and the
    highest, `test_*_low` and `test_*_high`.
  """
  widths: dict[Any, list[Mapping[str, Any]]] = {}
  for entry in results:
    if entry['status'] == 'done':
      width = entry['config'].get('model.width')
      widths.setdefault(width, []).append(entry['result']['paths'])
  return [
    _row(
      f'x{width:g}/{way}' if len(widths) > 1 else way, [p[way] for p in pairs]
    )
    for width, pairs in widths.items()
    for way in pairs[0]
  ]


def _row(way: str, paths: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  of_pairs = _of_pairs(paths)
  row = {'way': way, 'n': len(paths)}
  row |= {name: float(np.mean(x)) for name, x in of_pairs.items()}
  row |= {f'{n}_of_pairs': series.joined(x) for n, x in of_pairs.items()}
  row['t'] = series.joined(paths[0]['t'])
  for name in PANELS:
    curves = [path['values'][name] for path in paths]
    row[name] = series.joined(np.mean(curves, axis=0))
    row[f'{name}_low'], row[f'{name}_high'] = series.bounds(curves)
  return row


def _of_pairs(paths: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
  """Returns numbers, one of each pair."""
  chord = lambda name: [path['barriers']['chord'][name] for path in paths]
  at = lambda name, where: [
    float(np.mean(np.array(path['values'][name])[where(path['t'])]))
    for path in paths
  ]
  middle, ends = (lambda t: len(t) // 2), (lambda t: [0, -1])
  found = {
    'barrier': chord(LOSS),
    'train_barrier': chord('train_loss'),
    'calibrated_barrier': chord(CALIBRATED),
    'accuracy_barrier': chord(ACCURACY),
    'midpoint_barrier': [p['barriers']['midpoint'][LOSS] for p in paths],
    'midpoint_temperature': at('temperature', middle),
  }
  for place, where in (('midpoint', middle), ('ends', ends)):
    found[f'{place}_loss'] = at(LOSS, where)
    found[f'{place}_calibrated_loss'] = at(CALIBRATED, where)
    found[f'{place}_accuracy'] = at(ACCURACY, where)
    found[f'{place}_train_loss'] = at('train_loss', where)
  return found


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the barriers and the middles, with intervals over pairs.

  Args:
    results: As in `table`.

  Returns:
    By 'WAY/what' each of the numbers of the table, as (mean, low, high) with a
    95% bootstrap interval.
  """
  return {
    f'{row["way"]}/{name.removesuffix("_of_pairs")}': bootstrap.estimate(
      series.split(text)
    )
    for row in table(results)
    for name, text in row.items()
    if name.endswith('_of_pairs')
  }


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws loss, calibrated loss and accuracy, in the place of one panel.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  looks = _looks([row['way'] for row in rows])
  places = style.panels(axes, len(PANELS), (4, 4.8))
  for (name, title), place in zip(PANELS.items(), places, strict=True):
    for row, look in zip(rows, looks, strict=True):
      t, mean, low, high = (
        series.split(row[cell])
        for cell in ('t', name, f'{name}_low', f'{name}_high')
      )
      style.band(place, t, low, high, look['color'])
      label = f'{look["label"]}: {row["barrier"]:.2f}'
      place.plot(t, mean, **look | {'label': label})
    if name != ACCURACY:
      style.log_where_wide(place.yaxis)
    place.set_xlabel('position from model a (0) to model b (1)')
    place.set_title(title)
  style.below(
    places[0],
    columns=3,
    title=f'barrier of the test loss, mean over {rows[0]["n"]} pairs; band: '
    'lowest to highest',
  )


def _looks(ways: Sequence[str]) -> list[dict[str, Any]]:
  """Returns color, line and label of each way: dashed with new statistics."""
  bases = [_base(way) for way in ways]
  colored = [base for base in dict.fromkeys(bases) if base not in PLAIN]
  return [
    {
      'color': style.GREY if base in PLAIN else f'C{colored.index(base)}',
      'linestyle': '-' if base == way else '--',
      'label': _title(base) + ', statistics reset' * (base != way),
    }
    for base, way in zip(bases, ways, strict=True)
  ]


def _base(way: str) -> str:
  for ending in ANEW:
    way = way.removesuffix(ending)
  return way


def _title(base: str) -> str:
  *width, way = base.split('/')
  return ' '.join([*width, TITLES.get(way, way)])
