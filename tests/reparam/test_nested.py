import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from paramspace import reparam

PARAMS = oracles.shaped(a=[32, 32], b=[32])
TOTAL = 32 * 32 + 32
NESTED = [reparam.dense, reparam.fastfood, reparam.hadamard, reparam.sparse]
every_nested = pytest.mark.parametrize('method', NESTED)


@functools.cache
def draw(method, dim):
  return oracles.draw(method(dim), PARAMS, dim)


@every_nested
def test_a_masked_vector_moves_in_the_first_columns_alone(method):
  """One compiled program serves every dimension up to d."""
  rp, (p, frozen) = method(dim=16), draw(method, 16)
  z = jax.random.normal(jax.random.key(1), (16,))

  @jax.jit
  def move(z, k, frozen):
    z = jnp.where(jnp.arange(16) < k, z, 0.0)
    return oracles.flat(rp.apply(PARAMS, z, frozen))

  for k in (1, 5, 16):
    expected = p[:, :k] @ np.asarray(z[:k], np.float64)
    np.testing.assert_allclose(move(z, k, frozen), expected, atol=1e-5)


@every_nested
def test_a_prefix_of_the_columns_is_a_proper_map(method):
  p, _ = draw(method, 16)
  gram = p.T @ p
  if method is reparam.hadamard:
    np.testing.assert_allclose(gram, np.eye(16), atol=1e-5)
  else:  # Independent columns, nearly orthogonal.
    assert np.abs(gram - np.eye(16)).max() < 8 / np.sqrt(TOTAL)
  trained = (np.abs(p[:, :5]).max(1) > 0).mean()
  assert trained > (0.05 if method is reparam.sparse else 0.99)


@pytest.mark.parametrize('method', [reparam.dense, reparam.sparse])
def test_a_longer_basis_begins_with_the_shorter_one(method):
  """A column is a function of the key, the leaf's name and its number."""
  (five, drawn), (all_columns, longer) = draw(method, 5), draw(method, 16)
  np.testing.assert_allclose(five, all_columns[:, :5], atol=1e-7)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b[:5], rtol=1e-6), drawn, longer
  )


def test_hadamard_columns_are_those_of_the_power_of_two_above():
  nine, _ = draw(reparam.hadamard, 9)
  np.testing.assert_allclose(
    nine, draw(reparam.hadamard, 16)[0][:, :9], atol=1e-6
  )


def test_what_is_not_nested_says_so():
  assert not reparam.hashed(dim=3).nested
  assert not reparam.full().nested
