import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.soups import bias_variance


def answers(sets=4, members=3, examples=7, classes=5, shared=0.5, seed=0):
  """Probabilities, those of a set alike as far as `shared` says."""
  rng = np.random.default_rng(seed)
  own = rng.normal(size=(sets, members, examples, classes))
  logits = own + shared * rng.normal(size=(sets, 1, examples, classes))
  outputs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
  labels = rng.integers(classes, size=examples)
  return outputs.astype(np.float32), np.eye(classes)[labels]


@pytest.mark.parametrize('members', [2, 3, 12])
def test_the_parts_add_up_to_the_error_of_the_ensemble(members):
  outputs, targets = answers(members=members)
  parts = bias_variance.decompose(outputs, targets)
  ensemble = outputs.astype(np.float64).mean(axis=1)
  found = bias_variance.squared_error(ensemble, targets).mean()
  expected = bias_variance.expected_error(parts, members)
  np.testing.assert_allclose(expected, found, rtol=1e-12)


def test_bias_and_variance_add_up_to_the_error_of_a_single_model():
  outputs, targets = answers()
  parts = bias_variance.decompose(outputs, targets)
  found = bias_variance.squared_error(outputs, targets).mean()
  np.testing.assert_allclose(parts.bias + parts.variance, found, rtol=1e-12)


def test_the_parts_are_those_that_the_definition_sums_pair_by_pair():
  outputs, targets = answers(sets=2, members=3, examples=2, classes=2)
  outputs = outputs.astype(np.float64)
  mean = outputs.mean(axis=(0, 1))
  pairs = [
    np.sum((outputs[s, i] - mean) * (outputs[s, j] - mean)) / len(mean)
    for s in range(2)
    for i in range(3)
    for j in range(3)
    if i != j
  ]
  parts = bias_variance.decompose(outputs, targets)
  np.testing.assert_allclose(parts.covariance, np.mean(pairs), rtol=1e-12)


def test_equal_members_covary_as_much_as_they_vary():
  outputs, targets = answers(members=1)
  parts = bias_variance.decompose(outputs.repeat(4, axis=1), targets)
  np.testing.assert_allclose(parts.covariance, parts.variance, rtol=1e-12)


def test_members_that_share_nothing_covary_by_nothing_on_average():
  outputs, targets = answers(sets=500, shared=0.0)
  parts = bias_variance.decompose(outputs, targets)
  assert abs(parts.covariance) < 0.01 * parts.variance
  outputs, targets = answers(sets=500, shared=2.0)
  parts = bias_variance.decompose(outputs, targets)
  assert parts.covariance > 0.4 * parts.variance


def test_locality_is_the_distance_of_the_farthest_member():
  members = {'a': jnp.array([[0.0], [0.0], [3.0]]), 'b': jnp.zeros((3, 2, 2))}
  assert jax.jit(bias_variance.locality)(members) == 4.0


@pytest.mark.parametrize(
  ('shape', 'targets', 'message'),
  [
    ((4, 1, 7, 5), (7, 5), r'two members or more, got \[4, 1, 7, 5\]'),
    ((4, 7, 5), (7, 5), r'\[sets, members, n, c\].*got \[4, 7, 5\]'),
    ((4, 3, 7, 5), (7,), r'`targets` must be \[7, 5\].*got \[7\]'),
  ],
)
def test_says_which_shape_is_wrong(shape, targets, message):
  with pytest.raises(ValueError, match=message):
    bias_variance.decompose(np.zeros(shape), np.zeros(targets))
