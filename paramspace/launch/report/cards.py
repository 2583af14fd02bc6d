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
from paramspace.launch.report import values

_HIDDEN = ('Run',)  # The command is made of the path.
_FIRST = 4  # Claims that are shown at once.
_WIDE = 560  # Points; a wider figure has the whole card.


def card(study: studies.Study, found: Sequence[findings.Finding]) -> str:
  """Returns the `<article>` of a study with a kept result.

  Args:
    study: The study.
    found: What was found of its claims.

  Raises:
    errors.UsageError: If the kept result lacks the rows of its figure.
  """
  name = markup.escape(study.name)
  kinds = ' '.join(sorted({f.kind for f in found}))
  return (
    f'<article class="card" id="{name}" data-kind="{kinds}" '
    f'data-topic="{markup.escape(study.topic)}" '
    f'aria-labelledby="{name}-title">'
    f'<header><p class="topic">{markup.escape(study.topic)}</p>'
    f'<h3 id="{name}-title">{markup.escape(study.notes.title)}</h3>'
    f'{_tally(found)}</header>'
    f'{_body(study, found)}'
    f'{markup.command(study.command)}'
    f'<div class="folds">{values.rows(study)}{values.summary(study)}'
    f'{markup.folded("Settings", markup.pairs(_texts(study.settings)))}'
    f'{_origin(study)}</div></article>'
  )


def _tally(found: Sequence[findings.Finding]) -> str:
  if not found:
    return '<p class="tally faint">no claims</p>'
  count = findings.tally(found)
  badge = 'no' if count.fail else 'yes' if count.hold else 'open'
  noun = 'claim holds' if count.claims == 1 else 'claims hold'
  left = f', {count.unmeasured} not measured' if count.unmeasured else ''
  return (
    f'<p class="tally"><span class="badge {badge}">{count.hold} of '
    f'{count.claims} {noun}{left}</span></p>'
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
    texts = {
      k: numbers.number(v) for k, v in shown.items() if values.is_number(v)
    }
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
  points = records.dumps(drawn.values).replace('<', '\\u003c')
  return (
    f'<figure><div class="plot" tabindex="0" role="group" '
    f'aria-roledescription="chart" aria-label="{title}. Arrow keys go from '
    f'value to value.">{drawn.svg}</div>'
    f'<script type="application/json">{points}</script></figure>'
  )


def _verdicts(found: Sequence[findings.Finding]) -> str:
  """Returns the claims, first those that do not hold or differ."""
  if not found:
    return ''
  first = sorted(found, key=lambda f: findings.KINDS.index(f.kind))
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
  """Returns what the config says, and beside its time the measured one."""
  parts = [(n, text) for n, text in study.notes.parts if n not in _HIDDEN]
  took = f'Measured over all points: {table.time(study.seconds)}.'
  if not study.notes.part('Time'):
    parts.append(('Time', ''))
  parts = [(n, f'{x} {took}' if n == 'Time' else x) for n, x in parts]
  return ''.join(
    (f'<h4>{markup.escape(name)}</h4>' if name else '')
    + f'<p>{markup.prose(text)}</p>'
    for name, text in parts
  )


def _origin(study: studies.Study) -> str:
  """Returns where the numbers are from: points, data and versions."""
  kept = study.kept or {}
  points = kept.get('points')
  ids = points if isinstance(points, list) else []
  count = len(ids) if ids else points
  found = {
    'config': study.path,
    'scale': study.scale,
    'points': table.NOT_RECORDED if count is None else count,
    'time': table.time(study.seconds),
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
