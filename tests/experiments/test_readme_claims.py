import re

from experiments.readme import _claims
from experiments.readme import _results
from paramspace.launch.report import findings
from paramspace.launch.report import studies


def test_the_table_of_claims_is_that_of_the_findings():
  table = _claims.claims()
  found = studies.find(_results.ROOT / 'configs', _results.RESULTS)
  every = [
    f for f in findings.every(found) if f.study.topic != _claims.ELSEWHERE
  ]
  with_paper = [f for f in every if f.claim.paper is not None]
  agree = sum(f.agrees for f in with_paper)
  assert table.endswith(
    f'of {len(with_paper)} numbers of papers {agree} were found again.'
  )
  paths = re.findall(r'\]\((configs/\S+)\)', table)
  assert len(paths) == len({f.study.name for f in with_paper})
  assert all((_results.ROOT / path).is_file() for path in paths)
