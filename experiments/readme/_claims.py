"""The table of claims: of each study one, beside the paper's number."""

from collections.abc import Sequence

from experiments.readme import _results
from paramspace.launch.report import findings
from paramspace.launch.report import numbers
from paramspace.launch.report import studies

# Have tables of their own.
ELSEWHERE = 'benchmarks'


def claims() -> str:
  """Returns a row for each study that a paper has a number for, and the sums.

  The row is of the first such number; all claims are on the page of
  `paramspace report`, which shows the same findings.
  """
  found = studies.find(_results.ROOT / 'configs', _results.RESULTS)
  kept = [s for s in found if s.kept is not None and s.topic != ELSEWHERE]
  claimed = [findings.of(study) for study in kept]
  rows = [_row(of_study) for of_study in claimed if findings.headline(of_study)]
  every = [finding for of_study in claimed for finding in of_study]
  return (
    f'{_results.markdown(rows)}\n\n'
    f'Of {len(every)} claims in {len(kept)} studies {_holding(every)} hold; of '
    f'{len(_with_paper(every))} numbers of papers {_agreeing(every)} were '
    'found again.'
  )


def _row(claimed: Sequence[findings.Finding]) -> dict[str, str]:
  first = findings.headline(claimed)
  study, claim = first.study, first.claim
  path = study.path.relative_to(_results.ROOT.as_posix())
  return {
    'study': f'[{study.name}]({path})',
    'quantity': f'`{claim.quantity}`',
    'paper': f'{numbers.given(claim.paper)} ({claim.source})',
    'ours': _measured(first),
    'found again': f'{_agreeing(claimed)} of {len(_with_paper(claimed))}',
    'claims that hold': f'{_holding(claimed)} of {len(claimed)}',
  }


def _with_paper(
  claimed: Sequence[findings.Finding],
) -> list[findings.Finding]:
  return [f for f in claimed if f.claim.paper is not None]


def _agreeing(claimed: Sequence[findings.Finding]) -> int:
  return sum(f.agrees is True for f in claimed)


def _holding(claimed: Sequence[findings.Finding]) -> int:
  return sum(f.holds for f in claimed)


def _measured(finding: findings.Finding) -> str:
  if finding.value is None:
    return 'not measured'
  text = f'**{numbers.number(finding.value)}**'
  if finding.ends is None:
    return text
  count = numbers.decimals(float(finding.value))
  low, high = (numbers.with_decimals(float(x), count) for x in finding.ends)
  return f'{text} ({low} to {high})'
