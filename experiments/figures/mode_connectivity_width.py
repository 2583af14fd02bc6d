"""The barrier between two networks against their width."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import mode_connectivity
from experiments.figures import series
from experiments.figures import style

COLUMNS = mode_connectivity.COLUMNS
table = mode_connectivity.table
summary = mode_connectivity.summary

_PANELS = {
  'test_loss': 'barrier of the test loss',
  'test_calibrated_loss': 'the same, temperature calibrated',
  'test_accuracy': 'barrier of the test accuracy',
}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the mean barrier of each way, and that of every pair as a dot.

  Args:
    rows: As returned by `table`, of one depth.
    axes: Where to draw; it is replaced.
  """
  places = mode_connectivity.panels(axes, len(_PANELS))
  ways = dict.fromkeys(row['way'] for row in rows)
  for (metric, title), place in zip(_PANELS.items(), places, strict=True):
    cell = f'{metric}_chord'
    for name in ways:
      own = [row for row in rows if row['way'] == name]
      about = mode_connectivity.look(name)
      widths = [row['width'] for row in own]
      place.plot(widths, [row[cell] for row in own], marker='.', **about)
      for row in own:
        pairs = series.split(row[f'{cell}_of_pairs'])
        place.plot(
          [row['width']] * len(pairs),
          pairs,
          '.',
          color=about['color'],
          alpha=0.35,
        )
    style.count_axis(place, 'units of a hidden layer')
    place.set_title(title)
  mode_connectivity.below(places[0])
