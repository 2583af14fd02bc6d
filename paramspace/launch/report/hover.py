"""The values that a figure shows, and where, for whoever points at them."""

import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import matplotlib.axes
import matplotlib.category
import matplotlib.collections
import matplotlib.colors
import matplotlib.container
import matplotlib.figure
import matplotlib.lines
import matplotlib.ticker
import numpy as np

from paramspace.launch.report import numbers

_FAINT = 0.5  # What is fainter are single runs behind their mean.
_DASHES = {'-': '', '--': ' (dashed)', ':': ' (dotted)', '-.': ' (dash-dotted)'}
# Ticks that may have names.
_NAMED = (
  matplotlib.ticker.FixedLocator,
  matplotlib.category.StrCategoryLocator,
)
_POINTS = 72  # An inch, in SVG.


def values(figure: matplotlib.figure.Figure) -> dict[str, Any]:
  """Returns what a figure shows and where, after it was drawn.

  Args:
    figure: Drawn, so that its layout is settled.

  Returns:
    `'panels'`, the title and the labels of each axes; and `'series'`, each with
    its panel, its name, its colour and its points: x and y in the SVG, and both
    values as text.
  """
  panels, series = [], []
  for axes in figure.axes:
    if axes.get_label() == '<colorbar>':
      continue
    for name, color, data in _series(axes):
      points = _points(axes, data)
      if points:
        series.append(
          {
            'panel': len(panels),
            'name': _line(name),
            'color': matplotlib.colors.to_hex(color),
            'points': points,
          }
        )
    panels.append(
      {
        'title': _line(axes.get_title('left') or axes.get_title()),
        'x': _line(axes.get_xlabel()),
        'y': _line(axes.get_ylabel()),
      }
    )
  return {'panels': panels, 'series': series}


def _series(axes: matplotlib.axes.Axes) -> Iterator[tuple[str, Any, Any]]:
  """Yields name, colour and `[n, 2]` of everything that has values."""
  lines = [line for line in axes.lines if _shows(axes, line)]
  named = {
    matplotlib.colors.to_hex(line.get_color()): line.get_label()
    for line in lines[::-1]
    if _is_named(line)
  }
  for line in lines:
    color = matplotlib.colors.to_hex(line.get_color())
    name = line.get_label()
    if not _is_named(line):
      # Of a pair of lines in one colour the legend names one.
      dash = _DASHES.get(line.get_linestyle(), '')
      name = f'{named[color]}{dash}' if color in named else ''
    yield name, color, np.asarray(line.get_xydata(), np.float64)
  yield from _bars(axes)
  yield from _collections(axes)


def _shows(axes: matplotlib.axes.Axes, line: matplotlib.lines.Line2D) -> bool:
  alpha = line.get_alpha()
  bright = alpha is None or alpha > _FAINT
  return (
    bright and line.get_visible() and line.get_transform() == axes.transData
  )


def _is_named(line: matplotlib.lines.Line2D) -> bool:
  return bool(line.get_label()) and not line.get_label().startswith('_')


def _bars(axes: matplotlib.axes.Axes) -> Iterator[tuple[str, Any, Any]]:
  """Yields the ends of bars."""
  for bars in axes.containers:
    if not isinstance(bars, matplotlib.container.BarContainer) or not bars:
      continue
    upright = bars.orientation != 'horizontal'
    ends = [
      (b.get_x() + b.get_width() / 2, b.get_y() + b.get_height())
      if upright
      else (b.get_x() + b.get_width(), b.get_y() + b.get_height() / 2)
      for b in bars
    ]
    name = '' if bars.get_label().startswith('_') else bars.get_label()
    yield name, bars[0].get_facecolor(), np.array(ends, np.float64)


def _collections(axes: matplotlib.axes.Axes) -> Iterator[tuple[str, Any, Any]]:
  """Yields scattered points, and the middles of level strokes."""
  errors = [
    part
    for c in axes.containers
    if isinstance(c, matplotlib.container.ErrorbarContainer)
    for part in c.lines[2]
  ]
  for drawn in axes.collections:
    if drawn in errors:
      continue
    if isinstance(drawn, matplotlib.collections.LineCollection):
      found = [s for s in drawn.get_segments() if np.ptp(s[:, 1]) == 0]
      data = np.array([s.mean(axis=0) for s in found]).reshape(-1, 2)
      colors = drawn.get_color()
    elif isinstance(drawn, matplotlib.collections.PathCollection):
      data, colors = np.asarray(drawn.get_offsets()), drawn.get_facecolor()
    else:
      continue
    name = '' if drawn.get_label().startswith('_') else drawn.get_label()
    if len(data):
      yield name, colors[0] if len(colors) else 'black', data


def _points(
  axes: matplotlib.axes.Axes, data: np.ndarray
) -> list[tuple[float, float, str, str]]:
  """Returns place and text of the points that are finite and in view."""
  if not len(data):
    return []
  data = data[np.isfinite(data).all(axis=1)]
  with np.errstate(divide='ignore', invalid='ignore'):
    pixels = axes.transData.transform(data)
  box, figure = axes.bbox, axes.figure
  scale = _POINTS / figure.dpi
  height = figure.get_size_inches()[1] * _POINTS
  return [
    (
      round(float(px * scale), 1),
      round(float(height - py * scale), 1),
      _text(axes.xaxis, x),
      _text(axes.yaxis, y),
    )
    for (x, y), (px, py) in zip(data, pixels, strict=True)
    if box.x0 - 1 <= px <= box.x1 + 1 and box.y0 - 1 <= py <= box.y1 + 1
  ]


def _text(axis: Any, value: float) -> str:
  """Writes a value, or the name of the place on an axis that has names."""
  if isinstance(axis.get_major_locator(), _NAMED) and len(axis.get_ticklocs()):
    nearest = min(axis.get_ticklocs(), key=lambda place: abs(place - value))
    name = str(axis.get_major_formatter()(nearest, None))
    if abs(nearest - value) <= 0.5 and not _is_number(name):
      return _line(name)
  return numbers.number(int(value) if float(value).is_integer() else value)


def _is_number(text: str) -> bool:
  return not re.search('[A-Za-z]', text.replace('mathdefault', ''))


def _line(text: str | Sequence[str]) -> str:
  """Returns the first line of a label, without the signs of formulas."""
  first = next(iter(str(text).splitlines()), '')
  return ' '.join(first.replace('$', '').split())
