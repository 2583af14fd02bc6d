"""What is not reproduced, and why."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from paramspace.launch import config as configs
from paramspace.launch import records
from paramspace.launch.report import findings
from paramspace.launch.report import markup
from paramspace.launch.report import numbers
from paramspace.launch.report import studies
from paramspace.launch.report import table

_PAPER = 'paper'
_MOST_SETTINGS = 6
_NOT_SETTINGS = 'scale', 'execution.'


def missing(
  found: Sequence[studies.Study], claimed: Sequence[findings.Finding]
) -> str:
  """Returns the lists of what does not hold, differs, and was not run."""
  of = lambda kind: [f for f in claimed if f.kind == kind]
  not_run = [s for s in found if s.kept is None]
  larger = [s for s in found if s.kept is not None and _differs(s)]
  return ''.join(
    (
      _part('Claims that do not hold', map(_claim, of(findings.FAILS))),
      _part(
        'Numbers of papers that were not found again',
        map(_claim, of(findings.UNLIKE)),
      ),
      _part(
        'Claims that were not measured',
        map(_unmeasured, of(findings.UNMEASURED)),
      ),
      _part('Studies that were not run', map(_study, not_run)),
      _part(
        'Settings of the papers, not run here',
        map(_scale, larger),
        'Kept results are those of smaller settings, which fit two cores and '
        'a night. What the paper\u2019s scale sets otherwise:',
      ),
    )
  )


def _part(title: str, items: Iterable[str], about: str = '') -> str:
  items = list(items)
  lines = ''.join(f'<li>{item}</li>' for item in items)
  body = f'<ul class="missing">{lines}</ul>' if items else '<p>None.</p>'
  about = f'<p>{about}</p>' if about and items else ''
  return (
    f'<h3>{title} <span class="count">{len(items)}</span></h3>{about}{body}'
  )


def _claim(finding: findings.Finding) -> str:
  claim = finding.claim
  low, high = finding.expected
  paper = (
    f'the paper has {numbers.given(claim.paper)}'
    if claim.paper is not None
    else f'{numbers.number(low)} to {numbers.number(high)} was expected'
  )
  note = f'; {markup.prose(claim.note)}' if claim.note else ''
  return (
    f'{_title(finding.study)}: {markup.name(claim.quantity)} is '
    f'{table.measured(finding)}; {paper} ({markup.prose(claim.source)}){note}.'
  )


def _unmeasured(finding: findings.Finding) -> str:
  claim = finding.claim
  why = table.beside(finding)
  why = f': {markup.escape(why)}' if why else ''
  return (
    f'{_title(finding.study)}: {markup.name(claim.quantity)}{why} '
    f'({markup.prose(claim.source)}).'
  )


def _study(study: studies.Study) -> str:
  return (
    f'<b>{markup.escape(study.notes.title)}</b>: '
    f'{markup.prose(study.reason)}{markup.command(study.command)}'
  )


def _scale(study: studies.Study) -> str:
  changes = _differs(study)
  shown = ', '.join(
    f'{markup.name(key)} {markup.escape(old)} → {markup.escape(new)}'
    for key, (old, new) in list(changes.items())[:_MOST_SETTINGS]
  )
  left = len(changes) - _MOST_SETTINGS
  more = f' and {left} more' if left > 0 else ''
  return f'{_title(study)}: {shown}{more}.'


def _title(study: studies.Study) -> str:
  return (
    f'<a href="#{markup.escape(study.name)}">'
    f'{markup.escape(study.notes.title)}</a>'
  )


def _differs(study: studies.Study) -> dict[str, tuple[str, str]]:
  """Returns what the paper's scale sets otherwise, and how many points more."""
  if study.scale == _PAPER or not study.scales:
    return {}
  ours, papers = (_at(study, s) for s in (study.scale, _PAPER))
  return {
    key: (_text(ours.get(key)), _text(value))
    for key, value in papers.items()
    if ours.get(key) != value and not key.startswith(_NOT_SETTINGS)
  }


def _at(study: studies.Study, scale: str) -> dict[str, Any]:
  flat = configs.flatten(configs.make(study.module, scale))
  if not hasattr(study.module, 'sweep'):
    return flat
  return flat | {'points': len(configs.sweep(study.module, 'sweep', scale))}


def _text(value: Any) -> str:
  if isinstance(value, (int, float)) and not isinstance(value, bool):
    return numbers.given(value)
  return value if isinstance(value, str) else records.dumps(value)
