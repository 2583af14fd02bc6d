import math
import pathlib
import types

import pytest

from paramspace.launch import claims
from paramspace.launch import errors
from paramspace.launch.report import findings
from paramspace.launch.report import notes
from paramspace.launch.report import numbers
from paramspace.launch.report import studies
from paramspace.launch.report import table


def study(claim, measured, **kept):
  module = types.ModuleType('toy', 'A toy.')
  module.claim = lambda: claim
  found = {'summary': {'loss': measured}, **kept}
  path = pathlib.PurePosixPath('configs/toys/toy.py')
  return studies.Study(path, 'toys', module, notes.of(module), found)


def finding(measured, paper=2.0, ours=None, tolerance=0.1, **kept):
  claim = claims.Claim('loss', paper, ours, tolerance, 'Nobody, 1900')
  (found,) = findings.of(study(claim, measured, **kept))
  return found


@pytest.mark.parametrize(
  'measured, holds, agrees',
  [
    (2.1, True, True),
    (2.3, False, False),
    # The paper's number is in the interval, though ours is not near it.
    ([2.3, 1.9, 2.7], False, True),
    (math.nan, False, False),
  ],
)
def test_agreement_is_nearness_or_an_interval_that_has_the_paper(
  measured, holds, agrees
):
  found = finding(measured)
  assert (found.holds, found.agrees) == (holds, agrees)


def test_what_no_run_has_reached_is_said_in_words():
  assert table.beside(finding(math.inf)) == 'not reached'


def test_what_is_expected_may_be_another_number_than_the_papers():
  found = finding(3.0, paper=2.0, ours=3.0)
  assert found.holds and found.agrees is False
  assert found.expected == pytest.approx((2.7, 3.3))


def test_without_a_papers_number_there_is_nothing_to_agree_with():
  assert finding(3.0, paper=None, ours=3.0).agrees is None


def test_a_relative_tolerance_forgives_nothing_beside_zero():
  assert finding(0.01, paper=0.0, ours=0.01).agrees is False
  assert finding([0.01, -0.01, 0.03], paper=0.0, ours=0.01).agrees is True


def test_an_interval_of_one_run_is_none():
  assert finding([2.0, 2.0, 2.0]).ends is None


def test_the_headline_is_a_papers_number_with_an_interval_if_any():
  few = [
    finding(1.0, paper=None, ours=1.0),
    finding(2.0),
    finding([2.0, 1.0, 3.0]),
  ]
  assert findings.headline(few) is few[2]
  assert findings.headline(few[:2]) is few[1]
  assert findings.headline(few[:1]) is None


def test_the_time_is_that_which_was_kept():
  assert finding(2.0, seconds=61.5).study.seconds == 61.5
  assert finding(2.0).study.seconds is None


def test_every_finding_is_counted_as_one_thing():
  found = [
    finding(2.0),
    finding(3.0, ours=3.0),
    finding(9.0, paper=None, ours=3.0),
    finding(None),
  ]
  assert [f.kind for f in found] == ['holds', 'unlike', 'fails', 'unmeasured']
  assert findings.tally(found) == findings.Tally(
    claims=4, hold=2, fail=1, unmeasured=1, papers=2, agree=1
  )


def test_a_claim_without_a_number_is_one_line():
  with pytest.raises(errors.UsageError, match='has no number'):
    finding(2.0, paper=None)


def test_a_command_that_a_docstring_breaks_is_one_line():
  module = types.ModuleType(
    'toy', 'A toy.\n\nRun: A=1 paramspace run \\\n  x.py'
  )
  assert notes.of(module).part('Run') == 'A=1 paramspace run x.py'


@pytest.mark.parametrize('value', [999.6, 0.99999, 9.996e-5, 12_345.6, -0.0])
def test_three_digits_are_within_half_of_the_last(value):
  text = numbers.number(value).replace(',', '').replace(numbers.MINUS, '-')
  mantissa, _, power = text.partition('×10')  # noqa: RUF001
  raised = power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789'))
  read = float(mantissa) * 10.0 ** int(raised or 0)
  assert read == pytest.approx(value, rel=5e-3)
