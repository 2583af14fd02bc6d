"""Drops whose scale is tuned, against searches by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas

KEY = jax.random.key(5)
analytic_q = jax.jit(deltas.analytic_q, static_argnames=('rate', 'eta', 'per'))


def normal(seed, *shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


DELTA = {
  'layer': {'kernel': normal(0, 40, 6), 'bias': normal(1, 6)},
  'norm': {'scale': normal(2, 6)},
  'step': jnp.array(3),
}
ZERO = jax.tree.map(jnp.zeros_like, DELTA) | {'step': jnp.array(3)}


def equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize('rate', [0.0, 0.3, 0.99, 1.0])
def test_with_q_of_1_minus_p_it_is_drop(rate):
  q = 1 - rate if rate < 1 else 0.5

  @jax.jit
  def run(q):
    tree = jax.tree.map(lambda x: jnp.full_like(x, q, jnp.float32), DELTA)
    ways = [deltas.drop(rate), deltas.drop_tuned(rate, q)]
    ways.append(deltas.drop_tuned(rate, tree))
    return [prune(KEY, DELTA) for prune in ways]

  plain, by_number, by_tree = run(q)
  equal(by_number, plain)
  equal(by_tree, plain)


def test_every_row_is_divided_by_its_own_number():
  q = {'w': jnp.array([[0.25, 0.5, 1.0]])}
  ones = {'w': jnp.ones((2000, 3))}
  got = deltas.drop_tuned(0.75, q)(KEY, ones)['w']
  kept = deltas.drop(0.75, None)(KEY, ones)['w']
  np.testing.assert_array_equal(got, kept * jnp.array([[4.0, 2.0, 1.0]]))


def test_a_q_that_does_not_fit_is_refused():
  for q in 0.0, 1.5, jnp.array(jnp.nan), {'w': jnp.array([[0.5, -1.0]])}:
    with pytest.raises(ValueError, match=r'`q` must lie in \(0, 1\]'):
      deltas.drop_tuned(0.5, q)
  run = lambda q: deltas.drop_tuned(0.5, q)(KEY, {'w': jnp.ones((2, 3))})
  with pytest.raises(ValueError, match=r"no leaf 'w'; near misses: \['v'\]"):
    run({'v': 0.5})
  for q in jnp.full(3, 0.5), jnp.full((2, 2), 0.5), jnp.full((1, 1, 3), 0.5):
    with pytest.raises(ValueError, match=r"'w' of shape \[2, 3\] should be"):
      run({'w': q})


# Searched.


@pytest.mark.parametrize('optimum', [0.137, 0.42, 0.87])
def test_the_score_is_maximised_to_a_tenth_of_a_step(optimum):
  """The largest entry is 1 / q, whatever the mask."""
  base, delta = {'w': jnp.zeros(200)}, {'w': jnp.ones(200)}
  asked = []

  def score(params):
    asked.append(1 / float(params['w'].max()))
    return -((asked[-1] - optimum) ** 2)

  found = deltas.tune_q_by_score(KEY, base, delta, 0.9, score)
  assert abs(found.q - optimum) <= 0.0025 + 1e-6
  np.testing.assert_allclose(asked, list(found.tried), rtol=1e-5)
  assert found.tried[found.q] == max(found.tried.values())
  assert min(asked) >= 0.1 - 1e-6 and max(asked) <= 1 + 1e-6
  assert asked[0] == pytest.approx(0.1)


def test_the_search_ends_after_three_that_are_no_better():
  base, delta = {'w': jnp.zeros(50)}, {'w': jnp.ones(50)}
  flat = deltas.tune_q_by_score(KEY, base, delta, 0.5, lambda params: 1.0)
  assert flat.q == 0.5
  steps = [0.5, 0.55, 0.6, 0.65, 0.505, 0.51, 0.515]
  np.testing.assert_allclose(list(flat.tried), steps, rtol=1e-6)


def test_the_change_of_the_outputs_is_that_of_a_search_by_hand():
  """The mean over the draws but the worst, of a linear layer."""
  x = normal(3, 30, 40)
  apply = lambda params, x: x @ params['layer']['kernel']
  rate, draws = 0.95, 4
  found = deltas.tune_q_by_change(
    KEY, ZERO, DELTA, rate, apply, x, draws=draws, discard=1
  )
  keys = jax.random.split(KEY, draws)
  masks = [deltas.drop(rate, None)(k, DELTA)['layer']['kernel'] for k in keys]

  def change(q):
    gaps = [np.abs(x @ (DELTA['layer']['kernel'] - m / q)) for m in masks]
    return np.mean(sorted(g.mean() for g in gaps)[:-1])

  for q, value in found.tried.items():
    np.testing.assert_allclose(value, change(q), rtol=1e-4)
  grid = np.linspace(1 - rate, 1, 191)
  assert change(found.q) <= min(map(change, grid)) + 1e-5
  assert found.q > 2 * (1 - rate)  # Not the unbiased one.


def test_no_entry_dropped_is_no_change_and_q_is_one():
  apply = lambda params, x: x @ params['layer']['kernel']
  found = deltas.tune_q_by_change(KEY, ZERO, DELTA, 0.0, apply, jnp.eye(40))
  assert found == (1.0, {1.0: 0.0})


def test_searches_that_make_no_sense_are_refused():
  score = lambda params: float('nan')
  run = lambda rate=0.5, **kwargs: deltas.tune_q_by_score(
    KEY, ZERO, DELTA, rate, score, **kwargs
  )
  with pytest.raises(ValueError, match=r'`rate` must lie in \[0, 1\]'):
    run(-0.5)
  with pytest.raises(ValueError, match='nothing is left'):
    run(1.0)
  with pytest.raises(ValueError, match='`step` must be a number in'):
    run(step=0)
  with pytest.raises(ValueError, match='`draws` must be an integer of 1'):
    run(draws=0)
  with pytest.raises(ValueError, match='No q has a number'):
    run()
  apply = lambda params, x: x
  with pytest.raises(ValueError, match=r'`discard` must be .* got 4'):
    deltas.tune_q_by_change(
      KEY, ZERO, DELTA, 0.5, apply, jnp.ones(1), discard=4
    )


# Analytic.


def phi(p):
  return 0.5 if p == 0.5 else (1 - 2 * p) / np.log((1 - p) / p)


def signed(q, c, p, eta, gamma):
  """As it is written, of the contributions `[n, out]`."""
  linear = eta * (1 - (1 - p) / q) * c.sum(0)
  square = eta**2 * phi(p) * (c * c).sum(0) / (4 * q * q)
  return linear + square + np.log(2 / (1 - gamma))


CASES = [(0.9, 0.5), (0.5, 0.3), (0.99, 1.0), (0.5000001, 2.0), (0.1, 5.0)]


@pytest.mark.parametrize(('rate', 'eta'), CASES)
def test_the_analytic_q_is_the_best_of_all_that_can_be_tried(rate, eta):
  """Some rows have their least within, some at an end."""
  out, gamma = 60, 0.6
  signs = np.linspace(-4, 4, out, dtype=np.float32)
  kernel = (normal(0, 8, out) + signs) * np.abs(normal(1, out))
  delta = {'kernel': kernel, 'bias': normal(2, out)}
  mean = np.abs(normal(3, 8)) / 4
  run = jax.jit(
    lambda delta: deltas.analytic_q(delta, rate, {'kernel': mean}, eta, gamma)
  )
  got = run(delta)
  q = np.asarray(got['kernel'], np.float64)[0]
  np.testing.assert_array_equal(got['kernel'][0], got['bias'])
  c = np.concatenate([kernel * mean[:, None], delta['bias'][None]])
  c = np.float64(c)
  of = lambda q: signed(q, c, rate, eta, gamma)
  tried = np.linspace(1 - rate, 1, 4001)
  values = np.stack([of(x) for x in tried])
  least = np.abs(values).min(0)
  assert (np.abs(of(q)) <= least * (1 + 1e-4) + 1e-5).all()
  inside = (q > 1 - rate + 1e-3) & (q < 1 - 1e-3)
  assert 0 < inside.sum() < out


def test_other_leaves_have_the_mean_and_a_leaf_may_have_one():
  rate, eta = 0.9, 1.0
  means = {'layer/kernel': np.abs(normal(3, 40))}
  rows = analytic_q(DELTA, rate=rate, means=means, eta=eta)
  leaf = analytic_q(DELTA, rate=rate, means=means, eta=eta, per='leaf')
  middle = float(rows['layer']['kernel'].mean())
  assert rows['layer']['kernel'].shape == (1, 6)
  assert rows['norm']['scale'].shape == () and rows['step'] == 3
  for x in (rows['norm']['scale'], *leaf['layer'].values()):
    assert float(x) == pytest.approx(middle)
  for q in rows, leaf:
    deltas.drop_tuned(rate, q)(KEY, DELTA)


def test_several_axes_of_inputs_have_one_flat_mean():
  kernel = normal(0, 2, 3, 5)
  mean = normal(1, 6)
  got = analytic_q({'w': kernel}, rate=0.9, means={'w': mean}, eta=0.7)['w']
  flat = analytic_q({'w': kernel.reshape(6, 5)}, 0.9, {'w': mean}, 0.7)['w']
  np.testing.assert_allclose(got[0], flat, rtol=1e-6)


def test_a_delta_of_zeros_has_the_unbiased_q():
  got = analytic_q({'w': jnp.zeros((4, 3))}, 0.9, {'w': jnp.ones(4)}, 1.0)
  np.testing.assert_allclose(got['w'], 0.1, rtol=1e-6)


def test_means_and_arguments_that_do_not_fit_are_refused():
  run = lambda rate=0.9, means=None, eta=1.0, **kwargs: deltas.analytic_q(
    DELTA, rate, means or {'layer/kernel': jnp.ones(40)}, eta, **kwargs
  )
  for wrong, message in (
    ({'rate': 1.0}, '`rate` must lie below 1'),
    ({'rate': 1.1}, r'`rate` must lie in \[0, 1\]'),
    ({'gamma': 1.0}, '`gamma` must lie below 1'),
    ({'eta': 0.0}, '`eta` must be a number above 0'),
    ({'per': 'tree'}, "got 'tree'"),
    ({'means': {'kernel': jnp.ones(40)}}, r"near misses: \['layer/kernel'"),
    ({'means': {'layer/kernel': jnp.ones(6)}}, r'first axes of \[40, 6\]'),
  ):
    with pytest.raises(ValueError, match=message):
      run(**wrong)
  with pytest.raises(ValueError, match='holds no layer'):
    deltas.analytic_q(DELTA, 0.9, {}, 1.0)
