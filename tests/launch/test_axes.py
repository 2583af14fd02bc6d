import math

import pytest

from paramspace.launch import axes

A = ({'a': 1}, {'a': 2})
B = ({'b': 3}, {'b': 4}, {'b': 5})
C = ({'c': 6}, {'c': 7})


def test_a_product_is_every_combination_the_last_fastest():
  found = axes.product(A, B)
  assert [(p['a'], p['b']) for p in found] == [
    (1, 3),
    (1, 4),
    (1, 5),
    (2, 3),
    (2, 4),
    (2, 5),
  ]


def test_a_product_is_associative_and_has_a_unit():
  left = axes.product(axes.product(A, B), C)
  assert left == axes.product(A, B, C) == axes.product(A, axes.product(B, C))
  assert axes.product(A, [{}]) == axes.product([{}], A) == list(A)
  assert axes.product() == [{}]
  assert axes.product(A, []) == []


def test_a_product_distributes_over_a_chain():
  assert axes.product(axes.chained(A, C), B) == axes.chained(
    axes.product(A, B), axes.product(C, B)
  )


@pytest.mark.parametrize('helper', [axes.product, axes.zipped, axes.chained])
def test_generators_are_sweeps_and_give_the_same_points(helper):
  assert helper((p for p in A), (p for p in C)) == helper(A, C)


@pytest.mark.parametrize('helper', [axes.product, axes.zipped, axes.chained])
def test_the_points_of_a_result_are_its_own(helper):
  points = ({'a': 1},)
  helper(points)[0]['a'] = 2
  assert points == ({'a': 1},)


@pytest.mark.parametrize('helper', [axes.product, axes.zipped])
def test_a_key_that_is_set_twice_is_named(helper):
  with pytest.raises(ValueError, match="'a' is set twice, to 1 and to 9"):
    helper(A, axes.over('a', (9, 9)))


def test_a_zip_goes_step_by_step():
  assert axes.zipped(A, C) == [{'a': 1, 'c': 6}, {'a': 2, 'c': 7}]


def test_a_zip_of_unequal_lengths_is_an_error():
  with pytest.raises(ValueError, match=r'one length, got \[2, 3\]'):
    axes.zipped(A, B)


def samples(*arguments, **options):
  return [p['rate'] for p in axes.log_uniform('rate', *arguments, **options)]


def test_more_samples_change_none():
  many = samples(1e-4, 1e-1, 40)
  for count in range(41):
    assert samples(1e-4, 1e-1, count) == many[:count]


def test_samples_are_those_of_their_seed_and_key():
  one = samples(1e-4, 1e-1, 8, seed=1)
  assert one == samples(1e-4, 1e-1, 8, seed=1)
  assert not set(one) & set(samples(1e-4, 1e-1, 8, seed=2))
  other = axes.log_uniform('decay', 1e-4, 1e-1, 8, seed=1)
  assert not set(one) & {p['decay'] for p in other}


def test_samples_never_change():
  assert samples(1e-4, 0.1, 2) == [0.000135809506, 0.00061707905]


def test_samples_are_uniform_in_the_logarithm():
  logs = sorted(math.log10(x) for x in samples(1e-4, 1.0, 2000))
  gaps = [abs(x - (-4 + 4 * (i + 0.5) / 2000)) for i, x in enumerate(logs)]
  assert max(gaps) < 4 * 1.63 / math.sqrt(2000)  # Kolmogorov-Smirnov, 1%.


def test_samples_stay_within_their_bounds():
  low, high = 0.12345678901, 0.12345678902
  assert all(low <= x <= high for x in samples(low, high, 50))
  assert samples(2, 2, 2) == [2.0, 2.0]
  assert {type(x) for x in samples(1, 3, 9)} == {float}


@pytest.mark.parametrize(
  ('arguments', 'what'),
  [
    ((0.0, 1.0, 3), '0 < low <= high'),
    ((2.0, 1.0, 3), '0 < low <= high'),
    ((1.0, math.inf, 3), '0 < low <= high'),
    ((math.nan, 1.0, 3), '0 < low <= high'),
    ((1.0, 2.0, -1), 'at least 0, got -1'),
  ],
)
def test_bounds_that_have_no_samples_are_an_error(arguments, what):
  with pytest.raises(ValueError, match=what):
    samples(*arguments)
