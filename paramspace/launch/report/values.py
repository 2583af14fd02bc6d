"""What was kept of a study, as tables that are opened."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace.launch.report import markup
from paramspace.launch.report import numbers
from paramspace.launch.report import studies

_MOST_ROWS = 400
_LONGEST = 60  # Characters of a cell; longer ones are series of numbers.


def is_number(value: Any) -> bool:
  """Whether a value is a number, which a bool is not."""
  return isinstance(value, (int, float)) and not isinstance(value, bool)


def rows(study: studies.Study) -> str:
  """Returns what a figure is drawn from: its rows, or nothing without any.

  The columns that the figure names come first, then all others of numbers.
  Series, which are text, are in the kept result.
  """
  found = (study.kept or {}).get('rows') or []
  if not found:
    return ''
  columns = _columns(found, getattr(study.figure(), 'COLUMNS', ()))
  left = len(found) - _MOST_ROWS
  note = f'<p>{left} more rows are in the kept result.</p>' if left > 0 else ''
  cells = [[row.get(c) for c in columns] for row in found[:_MOST_ROWS]]
  return markup.folded(
    f'Values ({len(found)} rows)', _table('Values', columns, cells) + note
  )


def summary(study: studies.Study) -> str:
  """Returns what the claims are about, and all that was measured with it.

  It is nothing where nothing was.
  """
  found = study.summary
  if not found:
    return ''
  cells = []
  for name, measured in found.items():
    many = isinstance(measured, Sequence) and not isinstance(measured, str)
    value, *ends = measured if many else [measured]
    interval = numbers.interval(ends, value) if _differ(value, ends) else ''
    cells.append([name, value, interval])
  columns = 'quantity', 'value', 'interval'
  return markup.folded(
    f'Numbers by name ({len(found)})', _table('Numbers', columns, cells)
  )


def _differ(value: Any, ends: Sequence[Any]) -> bool:
  """Whether there is an interval; that of a single run has no width."""
  return len(ends) == 2 and is_number(value) and ends[0] < ends[1]


def _columns(
  found: Sequence[Mapping[str, Any]], first: Iterable[str]
) -> list[str]:
  """Returns the columns that are shown, in order."""
  every = dict.fromkeys(name for row in found for name in row)
  first = [name for name in first if name in every]
  wanted = lambda name: any(is_number(row.get(name)) for row in found)
  rest = [name for name in every if name not in first and wanted(name)]
  return [*first, *rest] if first else list(every)


def _table(
  name: str, columns: Sequence[str], cells: Sequence[Sequence[Any]]
) -> str:
  """Returns a table in a box that a wide one is scrolled in."""
  right = [any(map(is_number, column)) for column in zip(*cells, strict=True)]
  heads = ''.join(
    f'<th scope="col"{_side(r)}>{markup.name(c)}</th>'
    for c, r in zip(columns, right, strict=True)
  )
  body = ''.join(f'<tr>{"".join(map(_cell, row))}</tr>' for row in cells)
  return (
    f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
    f'<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
  )


def _cell(value: Any) -> str:
  if is_number(value):
    text = numbers.number(value)
  elif isinstance(value, bool):
    text = 'yes' if value else 'no'
  else:
    text = '' if value is None else str(value)
  text = text if len(text) <= _LONGEST else f'{text[:_LONGEST]} …'
  return f'<td{_side(is_number(value))}>{markup.escape(text)}</td>'


def _side(right: bool) -> str:
  """Numbers stand to the right."""
  return ' class="right"' if right else ''
