"""The barrier between two networks against their width."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import mode_connectivity
from experiments.figures import style

COLUMNS = mode_connectivity.COLUMNS
table = mode_connectivity.table
summary = mode_connectivity.summary

_PANELS = {
  'test_loss': 'barrier of the test loss',
  'test_calibrated_loss': 'the same loss, temperature calibrated',
  'test_accuracy': 'barrier of the test accuracy',
}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the mean barrier of each way, and a band over the pairs.

  Args:
    rows: As returned by `table`, of one depth.
    axes: Where to draw; it is replaced.
  """
  places = style.panels(axes, len(_PANELS))
  widths = sorted({row['width'] for row in rows})
  for (metric, title), place in zip(_PANELS.items(), places, strict=True):
    mode_connectivity.draw_means(rows, place, 'width', f'{metric}_chord')
    style.count_axis(place, 'units of a hidden layer')
    place.xaxis.set_major_locator(ticker.FixedLocator(widths))
    place.xaxis.set_minor_locator(ticker.NullLocator())
    place.set_title(title)
  style.below(places[0], title=mode_connectivity.pairs_title(rows))
