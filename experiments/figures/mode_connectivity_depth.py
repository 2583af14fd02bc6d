"""The accuracy halfway between two networks against their depth."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import mode_connectivity
from experiments.figures import style

COLUMNS = mode_connectivity.COLUMNS
table = mode_connectivity.table
summary = mode_connectivity.summary

# Jordan et al, 2022, their MLPs on MNIST: depth to the accuracy at the midpoint
# of what is not permuted, permuted by activations, and repaired after that.
JORDAN = {
  1: (0.396, 0.968, 0.975),
  3: (0.153, 0.937, 0.964),
  5: (0.106, 0.935, 0.959),
  8: (0.101, 0.893, 0.953),
}
_MARKS = {
  'none': 'v',
  'activation_matching': 's',
  'activation_matching+reset': 'D',
}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the midpoint's accuracy of each way beside REPAIR's, and the error.

  The error, on a logarithmic axis, tells apart what is near the top.

  Args:
    rows: As returned by `table`, of one width.
    axes: Where to draw; it is replaced.
  """
  left, right = style.panels(axes, 2, (4.8, 4.8))
  for place, change in ((left, np.asarray), (right, _error)):
    mode_connectivity.draw_means(
      rows, place, 'depth', 'test_accuracy_middle', change
    )
    for i, (name, marker) in enumerate(_MARKS.items()):
      place.plot(
        list(JORDAN),
        change(np.array([x[i] for x in JORDAN.values()])),
        **style.PAPER | {'marker': marker},
        label=f'Jordan et al. 2022: {mode_connectivity.look(name)["label"]}',
      )
    place.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    place.set_xlabel('hidden layers')
  left.set_title('test accuracy at the midpoint')
  right.set_title('test error at the midpoint')
  style.log_ticks(right.yaxis)
  style.below(left, columns=2, title=mode_connectivity.pairs_title(rows))


def _error(accuracy: np.ndarray) -> np.ndarray:
  return 1 - accuracy
