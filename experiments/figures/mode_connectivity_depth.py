"""The accuracy halfway between two networks against their depth."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import mode_connectivity
from experiments.figures import series
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
  """Draws the midpoint's accuracy of each way beside REPAIR's.

  Args:
    rows: As returned by `table`, of one width.
    axes: Where to draw; it is replaced.
  """
  places = mode_connectivity.panels(axes, 2)
  ways = dict.fromkeys(row['way'] for row in rows)
  for name in ways:
    own = [row for row in rows if row['way'] == name]
    about = mode_connectivity.look(name)
    depths = [row['depth'] for row in own]
    middle = [row['test_accuracy_middle'] for row in own]
    for place in places:
      place.plot(depths, middle, marker='.', **about)
      for row in own:
        pairs = series.split(row['test_accuracy_middle_of_pairs'])
        place.plot(
          [row['depth']] * len(pairs),
          pairs,
          '.',
          color=about['color'],
          alpha=0.35,
        )
  for i, (name, marker) in enumerate(_MARKS.items()):
    paper = style.PAPER | {'marker': marker, 'label': _label(name)}
    for place in places:
      place.plot(list(JORDAN), [x[i] for x in JORDAN.values()], **paper)
  for place in places:
    place.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    place.set_xlabel('hidden layers')
  places[0].set_title('test accuracy at the midpoint')
  places[1].set_title('the same, of what is permuted')
  places[1].set_ylim(_lowest(rows), 1)
  mode_connectivity.below(places[0], columns=2)


def _label(name: str) -> str:
  return f'Jordan et al: {mode_connectivity.look(name)["label"]}'


def _lowest(rows: Sequence[Mapping[str, Any]]) -> float:
  """Returns a little less than any accuracy of permuted networks."""
  permuted = [
    row['test_accuracy_middle']
    for row in rows
    if not row['way'].startswith('none')
  ]
  paper = [x[1] for x in JORDAN.values()]
  return min([*permuted, *paper]) - 0.02
