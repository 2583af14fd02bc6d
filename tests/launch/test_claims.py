import math

import pytest

from paramspace.launch import claims
from paramspace.launch import errors

CLAIM = claims.Claim('d', 750, 700.0, 0.1, 'Li et al. 2018, Fig. 2')


@pytest.mark.parametrize('value', [631.0, 700.0, 769.0])
def test_a_measurement_within_the_tolerance_holds(value):
  verdict = claims.check(CLAIM, {'d': value})
  assert verdict.holds and verdict.measured == value


@pytest.mark.parametrize('value', [629.0, 771.0, math.inf, math.nan])
def test_another_measurement_does_not_hold(value):
  verdict = claims.check(CLAIM, {'d': (value, 600.0, math.inf)})
  assert not verdict.holds
  assert 'DOES NOT HOLD' in verdict.line


def test_a_negative_expectation_has_a_tolerance_too():
  claim = CLAIM._replace(ours=-2.0, tolerance=0.5)
  assert claims.check(claim, {'d': -2.9}).holds
  assert not claims.check(claim, {'d': -0.9}).holds


def test_the_line_has_the_measurement_ours_and_the_papers():
  claim = CLAIM._replace(note='one seed')
  line = claims.check(claim, {'d': (702.0, 650.0, 750.5)}).line
  assert line == (
    'd = 702 [650, 750.5]; expected 700 +- 10%: holds; paper 750 (Li et al. '
    '2018, Fig. 2); one seed'
  )


def test_a_claim_without_a_number_of_the_papers_names_its_source():
  line = claims.check(CLAIM._replace(paper=None), {'d': 700.0}).line
  assert line.endswith('holds; (Li et al. 2018, Fig. 2)')


def test_what_a_claim_needs_excuses_only_what_is_not_measured():
  claim = CLAIM._replace(needs='a peer')
  assert claims.unmeasured(claim, {'d': 0.0}) == ''
  assert claims.unmeasured(claim, {'e': 1.0}).endswith('needs a peer')
  assert claims.unmeasured(CLAIM, {'e': 1.0}) == ''


def test_a_quantity_that_is_not_measured_names_the_nearest():
  with pytest.raises(errors.UsageError, match="'d_in'; did you mean 'd_int'"):
    claims.check(CLAIM._replace(quantity='d_in'), {'d_int': 1.0})
