"""The table of claims."""

import math
from collections.abc import Sequence

from paramspace.launch import claims
from paramspace.launch.report import findings
from paramspace.launch.report import markup
from paramspace.launch.report import numbers
from paramspace.launch.report import studies

# Of what holds, does not hold, and was not measured: class, sign and words.
_VERDICTS = {
  True: ('yes', '✓', 'holds'),
  False: ('no', '✗', 'does not hold'),
  None: ('open', '○', 'not measured'),
}
NOT_RECORDED = 'not recorded'
# Title, and how it is sorted.
COLUMNS = (
  ('Study', 'text'),
  ('Claim', 'text'),
  ('Paper', 'number'),
  ('Ours', 'number'),
  ('Expected', 'number'),
  ('Verdict', 'number'),
  ('Time', 'number'),
)


def table(found: Sequence[findings.Finding]) -> str:
  """Returns the `<table>` of claims."""
  heads = ''.join(
    f'<th scope="col" aria-sort="none">'
    f'<button type="button" data-sort="{order}">{title}</button></th>'
    for title, order in COLUMNS
  )
  rows = '\n'.join(_row(finding) for finding in found)
  return (
    '<table id="claims-table"><caption class="hidden">Claims: the number of '
    'the paper, ours, and whether it holds</caption>'
    f'<thead><tr>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table>'
  )


def verdict(finding: findings.Finding) -> str:
  """Returns whether a claim holds, and how far the paper's number is."""
  name, sign, words = _VERDICTS[finding.holds]
  badge = (
    f'<span class="badge {name}">'
    f'<span aria-hidden="true">{sign}</span> {words}</span>'
  )
  return badge + _small(beside(finding), finding.agrees is False)


def beside(finding: findings.Finding) -> str:
  """Says how the measurement is beside the paper's number."""
  paper = finding.claim.paper
  if finding.value is None:
    needs = finding.claim.needs
    return f'needs {needs}' if needs else ''
  if finding.agrees is None:
    return ''
  if finding.agrees:
    return 'agrees with the paper'
  if not math.isfinite(finding.value):
    return 'not reached'
  if not paper:
    return 'not the paper\u2019s number'
  if finding.value * paper < 0:
    return 'the paper has another sign'
  part = numbers.percent((finding.value - paper) / abs(paper))
  return f'{part} from the paper'


def time(seconds: float | None) -> str:
  """Returns how long something took, in words where nobody noted it."""
  return NOT_RECORDED if seconds is None else numbers.duration(seconds)


def measured(finding: findings.Finding) -> str:
  """Returns the measured number and its interval."""
  if finding.value is None:
    return '<span class="faint">—</span>'
  text = f'<b>{numbers.number(finding.value)}</b>'
  if finding.ends is None:
    return text
  return f'{text} {_small(numbers.interval(finding.ends, finding.value))}'


def _row(finding: findings.Finding) -> str:
  study = finding.study
  cells = (
    (study.notes.title, _study(study)),
    (finding.claim.quantity, _claim(finding.claim)),
    (finding.claim.paper, _paper(finding.claim)),
    (finding.value, measured(finding)),
    (finding.expected[0], _expected(finding)),
    (findings.KINDS.index(finding.kind), verdict(finding)),
    (study.seconds, _time(study.seconds)),
  )
  body = ''.join(
    f'<td data-label="{title}" data-value="{_value(value)}">'
    f'<div>{cell}</div></td>'
    for (title, _), (value, cell) in zip(COLUMNS, cells, strict=True)
  )
  return (
    f'<tr data-kind="{finding.kind}" data-topic="{markup.escape(study.topic)}"'
    f' data-study="{markup.escape(study.name)}">{body}</tr>'
  )


def _study(study: studies.Study) -> str:
  name, title = map(markup.escape, (study.name, study.notes.title))
  return f'<a href="#{name}">{title}</a>{_small(study.topic)}'


def _claim(claim: claims.Claim) -> str:
  return markup.name(claim.quantity) + _small(claim.note)


def _paper(claim: claims.Claim) -> str:
  given = (
    '<span class="faint">—</span>'
    if claim.paper is None
    else f'<b>{numbers.given(claim.paper)}</b>'
  )
  return given + _small(claim.source)


def _expected(finding: findings.Finding) -> str:
  low, high = finding.expected
  return (
    f'<span>{numbers.number(float(low))} to {numbers.number(float(high))}'
    f'</span>{_small(f"± {finding.claim.tolerance:.0%}")}'
  )


def _time(seconds: float | None) -> str:
  if seconds is None:
    return f'<span class="faint">{time(seconds)}</span>'
  return time(seconds)


def _value(value: float | str | None) -> str:
  return '' if value is None else markup.escape(value)


def _small(text: str, unlike: bool = False) -> str:
  if not text:
    return ''
  return f' <small{unlike * _UNLIKE}>{markup.prose(text)}</small>'


_UNLIKE = ' class="unlike"'
