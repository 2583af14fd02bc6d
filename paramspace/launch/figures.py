"""Figures: results to a table, the table to files and a drawing.

A figure module has three pure functions: `table(results) -> rows`, a list of
flat dicts; `summary(results) -> dict` of numbers or (value, low, high); and
`draw(rows, axes)`. What a drawing shows is in its rows. `COLUMNS`, where there
is one, names the columns that are printed; the files have all.
"""

import csv
import io
import pathlib
import types
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.launch import errors
from paramspace.launch import meta
from paramspace.launch import provenance
from paramspace.launch import records

# The colour-blind-safe colours of Okabe and Ito, without yellow.
COLORS = (
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
)

STYLE = {
  'axes.axisbelow': True,
  'axes.grid': True,
  'axes.labelsize': 10,
  'axes.linewidth': 0.8,
  'axes.spines.right': False,
  'axes.spines.top': False,
  'axes.titlelocation': 'left',
  'axes.titlesize': 10,
  'figure.dpi': 100,
  'figure.figsize': (6.4, 4.0),
  'figure.constrained_layout.use': True,
  'font.family': 'DejaVu Sans',
  'font.size': 9,
  'grid.color': '#E6E6E6',
  'grid.linewidth': 0.6,
  'legend.fontsize': 8,
  'legend.frameon': False,
  'lines.linewidth': 1.6,
  'lines.markersize': 4.5,
  'savefig.dpi': 200,
  'svg.hashsalt': 'paramspace',
  'xtick.labelsize': 8,
  'ytick.labelsize': 8,
}


class Figure(NamedTuple):
  """A figure that was written.

  Attributes:
    rows: The table.
    summary: The numbers that claims are about.
    files: The files, the SVG first.
  """

  rows: list[dict[str, Any]]
  summary: dict[str, Any]
  files: list[pathlib.Path]


def render(
  module: types.ModuleType,
  results: Sequence[dict[str, Any]],
  stem: pathlib.Path,
  scale: str,
) -> Figure:
  """Writes `stem.svg`, `.png`, `.csv` and `.json`.

  The same results give the same bytes, with the same versions of the packages.
  The JSON has all that the others are drawn from, and where that comes from:
  see `provenance`.

  Args:
    module: A figure module.
    results: From `sweep.run`.
    stem: The path of the files without their endings.
    scale: Of the results.

  Raises:
    errors.UsageError: If the module lacks one of the three functions.
  """
  _check(module)
  rows = [dict(row) for row in module.table(results)]
  summary = dict(module.summary(results))
  content = {
    'figure': module.__name__,
    'scale': scale,
    **provenance.of(results),
    'summary': summary,
    'rows': rows,
    'points': [r['id'] for r in results],
    'versions': meta.versions(),
  }
  files = _files(stem)
  records.write(files['json'], content)
  _write(module, rows, files)
  return Figure(rows, summary, list(files.values()))


def redraw(module: types.ModuleType, stem: pathlib.Path) -> Figure:
  """Writes the other files again from `stem.json`, whose rows have all.

  Args:
    module: The figure module that made it.
    stem: The path of the files without their endings.

  Raises:
    errors.UsageError: If that is not what the JSON says, or it has no rows.
  """
  _check(module)
  files = _files(stem)
  content = records.read(files['json']) or {}
  if content.get('figure') != module.__name__ or 'rows' not in content:
    raise errors.UsageError(
      f'{files["json"]} holds no rows of {module.__name__}; run `paramspace '
      'reproduce` to make it.'
    )
  _write(module, content['rows'], files)
  return Figure(content['rows'], content['summary'], list(files.values()))


_ENDINGS = ('svg', 'png', 'csv', 'json')


def _check(module: types.ModuleType) -> None:
  for name in ('table', 'summary', 'draw'):
    if not hasattr(module, name):
      raise errors.UsageError(
        f'The figure {module.__name__} defines no `{name}`; it needs `table`, '
        '`summary` and `draw`.'
      )


def _files(stem: pathlib.Path) -> dict[str, pathlib.Path]:
  # Not `with_suffix`: a config's name may have a dot in it.
  return {e: stem.with_name(f'{stem.name}.{e}') for e in _ENDINGS}


def _write(
  module: types.ModuleType,
  rows: Sequence[dict[str, Any]],
  files: dict[str, pathlib.Path],
) -> None:
  records.write_text(files['csv'], _csv(rows))
  for ending, image in _draw(module, rows).items():
    records.write_bytes(files[ending], image)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
  """Returns rows as CSV; the columns are the keys, in order of appearance."""
  columns = list(dict.fromkeys(name for row in rows for name in row))
  text = io.StringIO()
  writer = csv.DictWriter(text, columns, lineterminator='\n')
  writer.writeheader()
  writer.writerows(rows)
  return text.getvalue()


def _draw(
  module: types.ModuleType, rows: Sequence[dict[str, Any]]
) -> dict[str, bytes]:
  """Returns the drawing in both formats, without pyplot or a display."""
  import matplotlib
  import matplotlib.figure

  style = STYLE | {'axes.prop_cycle': matplotlib.cycler(color=COLORS)}
  images = {}
  with matplotlib.rc_context(style):
    figure = matplotlib.figure.Figure()
    module.draw(rows, figure.subplots())
    # Neither the date nor the version of matplotlib goes into the files.
    for ending, metadata in (
      ('svg', {'Date': None, 'Creator': None}),
      ('png', {'Software': None}),
    ):
      buffer = io.BytesIO()
      figure.savefig(buffer, format=ending, metadata=metadata)
      images[ending] = buffer.getvalue()
  return images
