"""A figure as SVG that a page can hold, with the values that it shows."""

import io
import types
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.launch import figures
from paramspace.launch.report import hover
from paramspace.launch.report import svg


class Drawing(NamedTuple):
  """A figure that was drawn.

  Attributes:
    svg: The element, with text as text and colours as variables of the page.
    values: What is shown where, as in `hover.values`.
    about: What is drawn, in words.
    width: Of the drawing, in points.
  """

  svg: str
  values: dict[str, Any]
  about: str
  width: float


def draw(
  module: types.ModuleType, rows: Sequence[Mapping[str, Any]], name: str
) -> Drawing:
  """Draws rows that were kept.

  Args:
    module: A figure module.
    rows: What its `table` returned when they were kept.
    name: Goes into the ids of the SVG; no other drawing of the page has it.
  """
  import matplotlib
  import matplotlib.figure

  style = figures.STYLE | {
    'axes.prop_cycle': matplotlib.cycler(color=figures.COLORS),
    'svg.fonttype': 'none',
  }
  buffer = io.StringIO()
  with matplotlib.rc_context(style):
    figure = matplotlib.figure.Figure()
    module.draw(rows, figure.subplots())
    metadata = {'Date': None, 'Creator': None}
    figure.savefig(buffer, format='svg', metadata=metadata, transparent=True)
    values = hover.values(figure)
    width = 72 * float(figure.get_size_inches()[0])
  about = _about(values)
  return Drawing(
    svg.embedded(buffer.getvalue(), name, about), values, about, width
  )


def _about(values: Mapping[str, Any]) -> str:
  """Says what is drawn, for who does not see it."""
  sentences = []
  for i, panel in enumerate(values['panels']):
    names = [s['name'] for s in values['series'] if s['panel'] == i]
    names = [name for name in dict.fromkeys(names) if name]
    axes = ' against '.join(filter(None, (panel['y'], panel['x'])))
    drawn = f': {"; ".join(names)}' if names else ''
    sentences.append(f'{panel["title"] or "Chart"}. {axes}{drawn}.')
  return ' '.join(sentences)
