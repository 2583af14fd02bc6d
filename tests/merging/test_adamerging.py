"""Coefficients found by gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace import merging

BASE = {'a': jnp.zeros(3), 'b': jnp.zeros(2)}
TUNED = {
  'x': {'a': jnp.array([1.0, 0.0, 0.0]), 'b': jnp.array([1.0, 0.0])},
  'y': {'a': jnp.array([0.0, 1.0, 0.0]), 'b': jnp.array([0.0, 1.0])},
}
TARGET = {'a': jnp.array([0.5, 0.25, 0.0]), 'b': jnp.array([0.75, 0.0])}
BATCHES = [TARGET] * 40


def distance(params, target):
  gaps = jax.tree.map(lambda x, y: jnp.sum((x - y) ** 2), params, target)
  return sum(jax.tree.leaves(gaps))


def found(**arguments):
  return merging.adamerging(
    distance, BASE, TUNED, BATCHES, optimizer=optax.sgd(0.25), **arguments
  )


def test_a_weight_for_each_leaf_and_model_reaches_the_target():
  got = found()
  np.testing.assert_allclose(got.weights['x']['a'], 0.5, atol=1e-5)
  np.testing.assert_allclose(got.weights['y']['b'], 0.0, atol=1e-5)
  np.testing.assert_allclose(got.params['b'], TARGET['b'], atol=1e-5)
  assert len(got.losses) == 40
  assert got.losses[-1] < 1e-9 < got.losses[0]


def test_a_weight_for_each_model_is_the_least_squares_of_both_leaves():
  got = found(per='model', recipe=merging.ties(1.0, reduce='sum'))
  np.testing.assert_allclose(got.weights['x'], 0.625, atol=1e-5)
  np.testing.assert_allclose(got.weights['y'], 0.125, atol=1e-5)


def test_weights_stay_within_the_interval():
  got = found(clip=(0.2, 0.4))
  np.testing.assert_allclose(got.weights['x']['a'], 0.4, atol=1e-6)
  np.testing.assert_allclose(got.weights['y']['b'], 0.2, atol=1e-6)


def test_arguments_that_do_not_fit_are_refused():
  with pytest.raises(ValueError, match=r'`start` 0.3 lies outside of `clip`'):
    found(clip=(0.5, 1.0))
  with pytest.raises(ValueError, match=r"`per` must be one of .* got 'layer'"):
    found(per='layer')


def test_weights_are_found_where_numbers_have_64_bits():
  with jax.enable_x64(True):
    got = merging.adamerging(distance, BASE, TUNED, BATCHES[:2])
  assert got.weights['x']['a'].dtype == jnp.float32
  assert got.losses[1] < got.losses[0]
