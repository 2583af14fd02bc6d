"""What all figures of the study have in common."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import axis as mpl_axis
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
  few = high / low < 400 and high < 1e6
  log_ticks(axes.xaxis, '{x:,.0f}', (1, 2, 5) if few else (1,))
  axes.set_xlabel(label)


def log_ticks(
  axis: mpl_axis.Axis, text: str = '{x:g}', steps: Sequence[float] = (1, 2, 5)
) -> None:
  """Makes an axis logarithmic, with its numbers written out.

  Args:
    axis: The x or the y axis.
    text: How a number `x` is written.
    steps: What is named of each power of ten.
  """
  axis.axes.set(**{f'{axis.axis_name}scale': 'log'})
  axis.set_major_locator(ticker.LogLocator(subs=steps))
  axis.set_major_formatter(ticker.StrMethodFormatter(text))
  axis.set_minor_formatter(ticker.NullFormatter())


def log_where_wide(axis: mpl_axis.Axis, ratio: float = 4) -> None:
  """Makes an axis logarithmic where its data span more than a ratio.

  Args:
    axis: All on it is positive, and drawn already.
    ratio: Of the highest to the lowest.
  """
  lines = axis.axes.lines
  values = np.concatenate([line.get_xydata() for line in lines])
  of_axis = values[:, 'xy'.index(axis.axis_name)]
  if of_axis.max() > ratio * of_axis.min() > 0:
    log_ticks(axis)


def band(
  axes: mpl_axes.Axes,
  x: Sequence[float],
  low: Sequence[float],
  high: Sequence[float],
  color: str,
) -> None:
  """Draws where runs lie, behind their mean.

  Args:
    axes: Where to draw.
    x: Of the points, `[n]`.
    low: The lowest of the runs, `[n]`.
    high: The highest of the runs, `[n]`.
    color: That of the mean.
  """
  axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def panels(
  axes: mpl_axes.Axes, count: int, size: tuple[float, float] = (4, 4.2)
) -> list[mpl_axes.Axes]:
  """Puts panels side by side in the place of one.

  Args:
    axes: The one; it is removed.
    count: How many panels.
    size: Of each, in inches.
  """
  place, figure = axes.get_subplotspec(), axes.figure
  axes.remove()
  width, height = size
  figure.set_size_inches(width * count, height)
  return [figure.add_subplot(cell) for cell in place.subgridspec(1, count)]


def below(*places: mpl_axes.Axes, columns: int = 4, **options: Any) -> None:
  """Puts one legend of panels below all of them.

  Args:
    *places: The panels; what several of them show is named once.
    columns: Of the legend.
    **options: Of `Figure.legend`.
  """
  named = {
    label: handle
    for place in places
    for handle, label in zip(*place.get_legend_handles_labels(), strict=True)
  }
  places[0].figure.legend(
    named.values(),
    named.keys(),
    loc='outside lower center',
    ncols=columns,
    **options,
  )
