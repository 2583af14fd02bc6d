"""A card for each figure: what was run, what was found, and how to rerun it."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch.report import drawing
from paramspace.launch.report import findings
from paramspace.launch.report import markup
from paramspace.launch.report import numbers
from paramspace.launch.report import studies
from paramspace.launch.report import table

_HIDDEN = ('Run',)  # The command is made of the path.
_FIRST = 4  # Claims that are shown at once.
_MOST_ROWS = 400
_WIDE = 560  # Points; a wider figure has the whole card.
_LONGEST = 60  # Characters of a cell; longer ones are series of numbers.


def card(study: studies.Study, found: Sequence[findings.Finding]) -> str:
  """Returns the `<article>` of a study with a kept result.

  Args:
    study: The study.
    found: What was found of its claims.

  Raises:
    errors.UsageError: If the kept result lacks the rows of its figure.
  """
  name = markup.escape(study.name)
  kinds = ' '.join(sorted({table.kind(f) for f in found}))
  return (
    f'<article class="card" id="{name}" data-kind="{kinds}" '
    f'data-topic="{markup.escape(study.topic)}" '
    f'aria-labelledby="{name}-title">'
    f'<header><p class="topic">{markup.escape(study.topic)}</p>'
    f'<h3 id="{name}-title">{markup.escape(study.notes.title)}</h3>'
    f'{_tally(found)}</header>'
    f'{_body(study, found)}'
    f'{markup.command(study.command)}'
    f'<div class="folds">{_values(study)}'
    f'{markup.folded("Settings", markup.pairs(_texts(study.settings)))}'
    f'{_origin(study)}</div></article>'
  )


def _tally(found: Sequence[findings.Finding]) -> str:
  if not found:
    return '<p class="tally faint">no claims</p>'
  good = sum(f.holds for f in found)
  badge = 'yes' if good == len(found) else 'no'
  noun = 'claim holds' if len(found) == 1 else 'claims hold'
  return (
    f'<p class="tally"><span class="badge {badge}">{good} of {len(found)} '
    f'{noun}</span></p>'
  )


def _body(study: studies.Study, found: Sequence[findings.Finding]) -> str:
  """Returns the figure, and what is said of it beside or below it."""
  about = (
    f'<div class="aside">{_verdicts(found)}'
    f'<div class="notes">{_notes(study)}</div></div>'
  )
  module = study.figure()
  if module is None:
    shown = study.summary or study.kept
    texts = {k: numbers.number(v) for k, v in shown.items() if _side(v)}
    return f'<div class="body"><div>{markup.pairs(texts)}</div>{about}</div>'
  rows = study.kept.get('rows')
  if not isinstance(rows, list) or not rows:
    raise errors.UsageError(
      f'The kept result of {study.path} has no `rows`; run {study.command!r}.'
    )
  drawn = drawing.draw(module, rows, study.name)
  wide = ' wide' * (drawn.width > _WIDE)
  return f'<div class="body{wide}">{_figure(study, drawn)}{about}</div>'


def _figure(study: studies.Study, drawn: drawing.Drawing) -> str:
  title = markup.escape(study.notes.title)
  # A script ends at `</`, wherever it is.
  values = records.dumps(drawn.values).replace('<', '\\u003c')
  return (
    f'<figure><div class="plot" tabindex="0" role="group" '
    f'aria-roledescription="chart" aria-label="{title}. Arrow keys go from '
    f'value to value.">{drawn.svg}</div>'
    f'<script type="application/json">{values}</script></figure>'
  )


def _verdicts(found: Sequence[findings.Finding]) -> str:
  """Returns the claims, first those that do not hold or differ."""
  if not found:
    return ''
  order = table.FAILS, table.UNLIKE, table.HOLDS
  first = sorted(found, key=lambda f: order.index(table.kind(f)))
  lines = [
    f'<li><div>{markup.name(f.claim.quantity)}</div>'
    f'<div class="value">{table.measured(f)}</div>'
    f'<div class="said">{table.verdict(f)}</div></li>'
    for f in first
  ]
  shown = f'<ul class="verdicts">{"".join(lines[:_FIRST])}</ul>'
  rest = lines[_FIRST:]
  if rest:
    others = f'<ul class="verdicts">{"".join(rest)}</ul>'
    shown += markup.folded(f'{len(rest)} more', others)
  return f'<div><h4>Claims</h4>{shown}</div>'


def _notes(study: studies.Study) -> str:
  seconds = (study.kept or {}).get('seconds')
  parts = [(n, text) for n, text in study.notes.parts if n not in _HIDDEN]
  if isinstance(seconds, (int, float)):
    parts.append(('Measured time', f'{numbers.duration(seconds)}, all points.'))
  return ''.join(
    (f'<h4>{markup.escape(name)}</h4>' if name else '')
    + f'<p>{markup.prose(text)}</p>'
    for name, text in parts
  )


def _values(study: studies.Study) -> str:
  """Returns the rows of the figure as a table."""
  rows = (study.kept or {}).get('rows') or []
  if not rows:
    return ''
  columns = getattr(study.figure(), 'COLUMNS', None) or list(rows[0])
  heads = ''.join(
    f'<th scope="col"{_side(rows[0].get(c))}>{markup.name(c)}</th>'
    for c in columns
  )
  body = ''.join(
    f'<tr>{"".join(_cell(row.get(c)) for c in columns)}</tr>'
    for row in rows[:_MOST_ROWS]
  )
  left = len(rows) - _MOST_ROWS
  note = f'<p>{left} more rows are in the kept result.</p>' if left > 0 else ''
  return markup.folded(
    f'Values ({len(rows)} rows)',
    f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
    f'<tbody>{body}</tbody></table></div>{note}',
  )


def _cell(value: Any) -> str:
  side = _side(value)
  text = numbers.number(value) if side else str('' if value is None else value)
  text = text if len(text) <= _LONGEST else f'{text[:_LONGEST]} …'
  return f'<td{side}>{markup.escape(text)}</td>'


def _side(value: Any) -> str:
  """Numbers stand to the right."""
  numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
  return ' class="right"' if numeric else ''


def _origin(study: studies.Study) -> str:
  """Returns where the numbers are from: points, data and versions."""
  kept = study.kept or {}
  points = kept.get('points')
  ids = points if isinstance(points, list) else []
  count = len(ids) if ids else points
  seconds = kept.get('seconds')
  found = {
    'config': study.path,
    'scale': study.scale,
    'points': table.NOT_RECORDED if count is None else count,
    'time': (
      numbers.duration(seconds)
      if isinstance(seconds, (int, float))
      else table.NOT_RECORDED
    ),
    **_named('data', kept.get('data')),
    **_named('version of', kept.get('versions')),
  }
  listed = f'<p class="ids">{markup.escape(" ".join(ids))}</p>' if ids else ''
  return markup.folded(
    'Points, data and versions', markup.pairs(found) + listed
  )


def _named(what: str, found: Any) -> dict[str, Any]:
  if not isinstance(found, Mapping) or not found:
    return {what.removesuffix(' of'): table.NOT_RECORDED}
  return {f'{what} {name}': value for name, value in found.items()}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
  return {
    key: value if isinstance(value, str) else records.dumps(value)
    for key, value in values.items()
  }
