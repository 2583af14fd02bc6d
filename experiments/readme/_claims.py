"""The table of claims: of each study one, beside the paper's number."""

import math
from collections.abc import Sequence

from experiments.readme import _results
from paramspace.launch.report import findings
from paramspace.launch.report import numbers


def claims() -> str:
  """Returns a row for each study that a paper has a number for, and the sums.

  The row is of the first such number; all claims are on the page of
  `paramspace report`, which shows the same findings.
  """
  claimed = [findings.of(study) for study in _results.kept()]
  rows = [_row(found) for found in claimed if findings.headline(found)]
  count = findings.tally([finding for found in claimed for finding in found])
  return (
    f'{_results.markdown(rows)}\n\n'
    f'Of {count.claims} claims in {len(claimed)} studies {count.hold} hold, '
    f'{count.fail} do not, and {count.unmeasured} are not measured; of '
    f'{count.papers} numbers of papers {count.agree} were found again.'
  )


def _row(found: Sequence[findings.Finding]) -> dict[str, str]:
  first, count = findings.headline(found), findings.tally(found)
  study, claim = first.study, first.claim
  return {
    'study': study.notes.title,
    'quantity': f'`{claim.quantity}`',
    'paper': f'{numbers.given(claim.paper)} ({claim.source})',
    'ours': _measured(first),
    'found again': f'{count.agree} of {count.papers}',
    'claims that hold': f'{count.hold} of {count.claims}',
    'command': _results.again(study),
  }


def _measured(finding: findings.Finding) -> str:
  if finding.value is None:
    return 'not measured'
  if not math.isfinite(finding.value):
    return 'not reached'
  text = f'**{numbers.number(finding.value)}**'
  if finding.ends is None:
    return text
  count = numbers.decimals(float(finding.value))
  low, high = (numbers.with_decimals(float(x), count) for x in finding.ends)
  return f'{text} ({low} to {high})'
