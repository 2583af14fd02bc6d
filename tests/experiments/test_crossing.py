import numpy as np
import pytest

from experiments.figures import bootstrap
from experiments.figures import crossing

DIMS = [10, 100, 1000]


def test_a_curve_linear_in_log_d_is_interpolated_exactly():
  curve = 0.2 * np.log10(DIMS)
  found = crossing.crossing(DIMS, curve, 0.5)
  np.testing.assert_allclose(found, 10**2.5)


def test_a_measured_dimension_that_just_reaches_is_the_crossing():
  assert np.isclose(crossing.crossing(DIMS, [0.5, 0.9, 0.95], 0.9), 100)


def test_the_first_of_several_crossings_counts():
  found = crossing.crossing([1, 10, 100, 1000], [0.5, 0.95, 0.6, 0.95], 0.9)
  assert 1 < found < 10


def test_a_threshold_out_of_reach_is_at_infinity():
  assert crossing.crossing(DIMS, [0.1, 0.2, 0.3], 0.9) == np.inf


def test_a_curve_that_starts_above_crosses_at_its_start():
  assert crossing.crossing(DIMS, [0.95, 0.5, 0.99], 0.9) == 10


def test_many_curves_and_thresholds_at_once_agree_with_one_at_a_time():
  rng = np.random.default_rng(0)
  curves = rng.uniform(size=(50, 6))
  limits = rng.uniform(size=50)
  dims = [1, 3, 4, 20, 50, 90]
  found = crossing.crossing(dims, curves, limits)
  for one, curve, limit in zip(found, curves, limits, strict=True):
    reached = [d for d, a in zip(dims, curve, strict=True) if a >= limit]
    assert one == crossing.crossing(dims, curve, limit)
    assert (one == np.inf) if not reached else (one <= reached[0] + 1e-9)


@pytest.mark.parametrize('dims', [[], [0, 10], [10, 10], [10, 5]])
def test_dimensions_must_be_positive_and_ascending(dims):
  with pytest.raises(ValueError, match='must be positive and ascending, got'):
    crossing.crossing(dims, np.zeros(len(dims)), 0.9)


def test_one_run_a_dimension_leaves_no_interval():
  runs = [np.array([x]) for x in (0.5, 0.8, 0.95)]
  low, high = crossing.bootstrap(DIMS, runs, 0.9)
  assert low == high == crossing.crossing(DIMS, [0.5, 0.8, 0.95], 0.9)


def test_the_interval_holds_the_estimate_and_is_reproducible():
  rng = np.random.default_rng(0)
  runs = [
    rng.normal(m, 0.02, size=n)
    for m, n in zip((0.5, 0.8, 0.95), (3, 5, 4), strict=True)
  ]
  value = crossing.crossing(DIMS, [x.mean() for x in runs], 0.9)
  low, high = crossing.bootstrap(DIMS, runs, 0.9)
  assert low < value < high
  assert (low, high) == crossing.bootstrap(DIMS, runs, 0.9)


def test_an_interval_may_reach_to_infinity():
  runs = [np.array([0.5, 0.5]), np.array([0.8, 0.85, 1.0])]
  low, high = crossing.bootstrap([10, 100], runs, 0.9)
  assert low < 100
  assert high == np.inf


def test_resampled_means_have_the_variance_of_the_mean():
  runs = np.array([0.0, 1.0, 2.0, 5.0])
  rng = np.random.default_rng(0)
  means = bootstrap.means([runs], rng, samples=20_000)[:, 0]
  assert np.isclose(means.mean(), runs.mean(), atol=0.02)
  assert np.isclose(means.var(), runs.var() / 4, rtol=0.05)


def test_the_interval_holds_its_share_of_the_values():
  values = np.random.default_rng(0).permutation(1_000)
  assert bootstrap.interval(values, level=0.9) == (49, 949)
