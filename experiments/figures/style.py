"""What all figures of the study have in common."""

from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import curves

GREY = '0.45'
CRITERIA = {
  curves.ABSOLUTE: '0.9 of perfect',
  curves.BASELINE: '0.9 of direct',
}
MARKERS = {curves.ABSOLUTE: 'D', curves.BASELINE: 's'}
PAPER = {'color': GREY, 'marker': 'o', 'fillstyle': 'none', 'linestyle': 'none'}


def count_axis(axes: mpl_axes.Axes, label: str) -> None:
  """Makes the x axis logarithmic, with counts written out: 10, 100, 1,000.

  Args:
    axes: Everything on it is drawn already.
    label: What the counts are.
  """
  axes.set_xscale('log')
  low, high = axes.get_xlim()
  steps = (1, 2, 5) if high / low < 400 and high < 1e6 else (1,)
  axes.xaxis.set_major_locator(ticker.LogLocator(subs=steps))
  axes.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  axes.xaxis.set_minor_formatter(ticker.NullFormatter())
  axes.set_xlabel(label)
