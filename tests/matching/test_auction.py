"""Assignments are the best there are, whoever solves them."""

import importlib.util
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from paramspace import matching
from paramspace.matching import _auction

SOLVERS = {'scipy': matching.scipy, 'auction': matching.auction}
if importlib.util.find_spec('lap'):
  SOLVERS['lapx'] = matching.lapx


@pytest.fixture(params=SOLVERS)
def solve(request):
  return SOLVERS[request.param]()


def problems(n, batch=4, correlation=0.3, seed=0):
  """Values as those of two layers whose rows are alike."""
  rng = np.random.default_rng(seed)
  a, b = rng.standard_normal((2, batch, n, 3 * n))
  b = correlation * a + (1 - correlation**2) ** 0.5 * b
  order = rng.permutation(n)
  return (a @ b[:, order].swapaxes(-1, -2)).astype(np.float32)


def total(values, columns):
  chosen = np.take_along_axis(values.astype(float), columns[..., None], -1)
  return chosen[..., 0].sum(-1)


def best(values):
  solved = [optimize.linear_sum_assignment(x, maximize=True) for x in values]
  each = zip(values, solved, strict=True)
  return np.array(
    [x[rows, columns].sum(dtype=float) for x, (rows, columns) in each]
  )


@pytest.mark.parametrize('n', [1, 2, 5])
def test_it_is_the_best_of_all_permutations(solve, n):
  values = np.random.default_rng(n).standard_normal((8, n, n))
  values = values.astype(np.float32)
  columns, _ = solve(values)
  every = np.array(list(itertools.permutations(range(n))))
  sums = [total(values, np.broadcast_to(p, (8, n))) for p in every]
  np.testing.assert_allclose(
    total(values, columns), np.max(sums, 0), 1e-5, 1e-5
  )


@pytest.mark.parametrize('correlation', [0.0, 0.3])
def test_it_is_as_good_as_another_solver(solve, correlation):
  values = problems(48, correlation=correlation)
  columns, gaps = solve(values)
  assert (np.sort(columns) == np.arange(48)).all()
  np.testing.assert_allclose(total(values, columns), best(values), rtol=1e-4)
  assert (gaps >= 0).all()


def test_the_gap_is_no_less_than_what_is_missing():
  values = problems(48, correlation=0.0)
  for precision in (0.1, 1e-6):
    columns, gaps = matching.auction(precision)(values)
    short = best(values) - total(values, columns)
    assert (short <= gaps + 1e-3).all()
    spread = values.max((1, 2)) - values.min((1, 2))
    assert (gaps <= 2 * 48 * precision * spread).all()


def test_dead_units_cost_no_rounds_and_stay():
  """With an eighth of the units dead, as many rounds as without."""
  values = problems(64)
  dead = np.arange(64) % 8 == 3
  values[:, dead] = 0
  values[:, :, dead] = 0
  largest = np.abs(values).max()
  values = values + np.eye(64, dtype=np.float32) * 1e-6 * largest
  columns, _ = matching.auction()(values)
  np.testing.assert_allclose(total(values, columns), best(values), rtol=1e-5)
  assert (columns[:, dead] == np.arange(64)[dead]).all()
  unfinished, _ = _auction._run(values, 1e-6, 40)
  assert (unfinished < 64).all()


def test_what_takes_too_many_rounds_is_finished_on_the_host():
  values = problems(48, correlation=0.0)
  columns, gaps = matching.auction(rounds=1)(values)
  np.testing.assert_allclose(total(values, columns), best(values), rtol=1e-6)
  assert (gaps == 0).all()


def test_values_on_a_device_are_taken_as_they_are():
  values = problems(16)
  there, _ = matching.auction()(jnp.asarray(values))
  here, _ = matching.auction()(values)
  assert (there == here).all()
  sharded = jax.device_put(values, jax.devices()[3])
  assert (matching.auction()(sharded)[0] == here).all()


@pytest.mark.parametrize(
  ('options', 'message'),
  [({'precision': 0.0}, 'got 0.0'), ({'rounds': 0}, 'got 0')],
)
def test_bad_arguments_of_the_auction_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    matching.auction(**options)
