"""Drops at random: their frequencies, moments and bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas
from paramspace.deltas import _bits
from paramspace.deltas import _ranks
from paramspace.deltas import _select
from paramspace.deltas import _sorted

KEY = jax.random.key(5)


def run(prune, delta):
  return jax.jit(prune)(KEY, delta)


def normal(seed, shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def samples(prune, x, n, seed=0):
  keys = jax.random.split(jax.random.key(seed), n)
  draw = jax.jit(jax.vmap(lambda key: prune(key, {'w': x})['w']))
  return np.asarray(draw(keys), np.float64)


@pytest.mark.parametrize('shape', [(), (7,), (64, 33), (3, 5, 8)])
def test_every_word_is_uniform_and_none_is_used_twice(shape):
  draw = jax.jit(jax.vmap(lambda key: _bits.draw(key, shape)))
  words = np.asarray(draw(jax.random.split(KEY, 40)))
  assert words.shape == (40, *shape) and words.dtype == np.uint32
  assert len(np.unique(words)) > 0.999 * words.size
  ones = np.unpackbits(words.view(np.uint8)).mean()
  assert abs(ones - 0.5) < 4 * 0.5 / np.sqrt(32 * words.size)


def test_words_of_a_leaf_are_independent_of_their_neighbours():
  words = np.asarray(_bits.draw(KEY, (512, 512)), np.float64) / 2**32 - 0.5
  for shift, axis in ((1, 0), (1, 1), (256, 1), (2, 0)):
    product = words * np.roll(words, shift, axis)
    assert abs(product.mean() * 12) < 4 / 512
  assert abs((words**2).mean() * 12 - 1) < 4 * np.sqrt(0.8) / 512


def test_a_key_that_is_not_threefry_draws_too():
  key = jax.random.key(0, impl='rbg')
  kept = deltas.drop(0.5)(key, {'w': jnp.ones((64, 64))})['w'] > 0
  assert abs(float(kept.mean()) - 0.5) < 0.05


@pytest.mark.parametrize(
  ('rate', 'rescale'),
  [(0.1, 'inverse'), (0.99, 'inverse'), (0.9, None), (0.9, 0.3)],
)
def test_a_drop_has_the_mean_and_the_variance_that_are_stated(rate, rescale):
  """Of what a layer computes, y = delta x."""
  n, delta, x = 4000, normal(0, (3, 50)), normal(1, 50)
  drawn = samples(deltas.drop(rate, rescale), delta, n) @ x
  q = {'inverse': 1 - rate, None: 1.0}.get(rescale, rescale)
  mean = (1 - rate) / q * delta @ x
  variance = rate * (1 - rate) / q**2 * (delta**2) @ (x**2)
  assert (abs(drawn.mean(0) - mean) < 4 * np.sqrt(variance / n)).all()
  np.testing.assert_allclose(drawn.var(0), variance, rtol=0.2)


def test_an_unbiased_drop_has_p_over_1_minus_p_of_the_squares():
  """The same, as the paper writes it."""
  rate, n, delta = 0.8, 20_000, normal(0, 30)
  drawn = samples(deltas.drop(rate), delta, n)
  squares = rate / (1 - rate) * (delta**2).sum()
  np.testing.assert_allclose(drawn.sum(1).var(), squares, rtol=0.05)


@pytest.mark.parametrize('rate', [0.25, 0.999])
def test_a_drop_keeps_each_entry_with_its_probability(rate):
  kept = run(deltas.drop(rate), {'w': jnp.ones((1024, 1024))})['w'] > 0
  error = np.sqrt(rate * (1 - rate)) / 1024
  assert abs(float(kept.mean()) - (1 - rate)) < 4 * error


def test_a_drop_of_all_is_zero_and_of_none_is_the_delta():
  delta = {'w': jnp.ones(100)}
  for rescale in 'inverse', 'l1', None, 0.5:
    out = run(deltas.drop(1.0, rescale), delta)['w']
    np.testing.assert_array_equal(out, 0.0)
  out = run(deltas.drop(0.0, 0.5), delta)['w']
  np.testing.assert_array_equal(out, 2.0)


def test_l1_gives_every_leaf_its_norm_back():
  delta = {'a': normal(0, (50, 20)) / 1e3}
  for prune in deltas.drop(0.9, 'l1'), deltas.magprune(0.5, 0.2, 'l1'):
    out = jax.jit(prune)(KEY, delta)
    for name, x in delta.items():
      assert 0 < (np.asarray(out[name]) != 0).mean() < 1
      np.testing.assert_allclose(
        np.abs(out[name]).sum(), np.abs(x).sum(), rtol=1e-5
      )


def test_leaves_and_links_draw_masks_of_their_own():
  ones = jnp.ones((40, 40))
  drop = deltas.drop(0.5, None)
  out = run(drop, {'a': ones, 'b': ones})
  assert (out['a'] != out['b']).any()
  twice = run(deltas.chain(drop, drop), {'a': ones})['a']
  assert abs(float(twice.mean()) - 0.25) < 0.05


@pytest.mark.parametrize('axis', [-1, -2])
def test_magprune_keeps_an_entry_with_the_probability_of_its_rank(axis):
  n, x = 20_000, normal(3, (2, 5))
  drawn = samples(deltas.magprune(0.5, 0.6, axis=axis), x, n)
  rank = np.argsort(np.argsort(np.abs(x), axis=axis), axis=axis)
  odds = 0.2 + 0.6 * rank / (x.shape[axis] - 1)
  kept = (drawn != 0).mean(0)
  assert (abs(kept - odds) < 4 * np.sqrt(odds * (1 - odds) / n)).all()
  spread = np.abs(x) * np.sqrt((1 - odds) / odds / n)
  assert (abs(drawn.mean(0) - x) < 4 * spread).all()
  survivors = np.where(drawn[0] != 0, x / odds, 0)
  np.testing.assert_allclose(drawn[0], survivors, rtol=1e-6)


def test_magprune_keeps_the_density_on_average():
  kept = run(deltas.magprune(0.3, 0.2), {'w': normal(0, (30, 700))})['w'] != 0
  assert abs(float(kept.mean()) - 0.3) < 0.0125


def test_a_row_of_one_is_kept_with_the_density():
  drawn = samples(deltas.magprune(0.25, 0.4), np.float32([[2.0]]), 20_000)
  assert abs((drawn != 0).mean() - 0.25) < 0.013
  assert set(np.unique(drawn)) == {0.0, 8.0}


ROWS = {
  'normal': normal(0, (30, 700)),
  'long': normal(1, (2, 5000)),
  'ties': np.round(normal(2, (30, 700)) * 20),
  'nearly equal': 1 + normal(3, (30, 700)) * 1e-6,
  'zeros': np.zeros((30, 700), np.float32),
  'three axes': normal(4, (3, 4, 5)),
  'one': normal(5, (4, 1)),
}


@jax.jit
def ranks(x):
  return _ranks.ranks(_select.bits(x))


@pytest.mark.parametrize('name', ROWS)
def test_ranks_are_those_of_a_stable_sort(name):
  x = ROWS[name]
  order = np.argsort(np.abs(x), axis=-1, kind='stable')
  np.testing.assert_array_equal(ranks(x), np.argsort(order, axis=-1))


def test_the_network_sorts_rows_of_any_length():
  x = np.random.default_rng(6).integers(0, _sorted.LAST, (2, 50, 300), np.int32)
  network = jax.jit(_sorted._network)
  np.testing.assert_array_equal(network(x), np.sort(x))
  few = x[0, :1, :5]
  np.testing.assert_array_equal(network(few), np.sort(few))


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: deltas.drop(1.5), r'`rate` must lie in \[0, 1\], got 1.5'),
    (lambda: deltas.drop(float('nan')), '`rate` must lie'),
    (lambda: deltas.drop(0.5, 'mean'), "`rescale` must be .* got 'mean'"),
    (lambda: deltas.drop(0.5, 0.0), '`rescale` must be a number in'),
    (lambda: deltas.magprune(0.1, 0.4), 'probabilities from -0.1 to 0.3'),
    (lambda: deltas.magprune(0.9, 0.4), 'from 0.7 to 1.1'),
    (lambda: deltas.magprune(0.5, -0.1), '`window` -0.1'),
    (lambda: deltas.magprune(0.5, 0.1, axis=0), '`axis` must count from'),
  ],
)
def test_arguments_out_of_range_are_refused(make, message):
  with pytest.raises(ValueError, match=message):
    make()
