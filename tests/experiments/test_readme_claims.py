import re

from experiments.readme import _claims
from experiments.readme import _results
from paramspace.launch.report import findings


def test_the_table_of_claims_is_that_of_the_findings():
  table = _claims.claims()
  every = findings.every(_results.kept())
  count = findings.tally(every)
  assert f'Of {count.claims} claims in ' in table
  assert f' {count.hold} hold, {count.fail} do not, and ' in table
  assert f' and {count.unmeasured} are not measured; of ' in table
  said = f'{count.papers} numbers of papers {count.agree} were found again.'
  assert table.endswith(said)
  paths = re.findall(r'\]\((configs/\S+)\)', table)
  of_papers = [f.study for f in every if f.claim.paper is not None]
  assert paths == list(dict.fromkeys(str(study.path) for study in of_papers))


def test_a_row_of_what_was_not_measured_says_so():
  study = _results.kept()[0]
  claim = findings.of(study)[0].claim._replace(paper=1.0)
  row = _claims._row([findings.Finding(study, claim, None, None, None, None)])
  assert row['ours'] == 'not measured'
  assert row['found again'] == '0 of 0'
