import chex
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from paramspace import reparam

KEY = jax.random.key(0)
PARAMS = {'w': jnp.ones((4, 4)), 'b': jnp.zeros(4), 'step': jnp.array(1)}


def test_count():
  z = (jnp.zeros(3), {'a': jnp.zeros((2, 2))}, jnp.zeros(()))
  assert reparam.count(z) == 8


def test_merging_is_applying():
  rp = reparam.hashed(dim=3)
  z, frozen = rp.init(KEY, PARAMS)
  z = z + jnp.arange(3.0)
  chex.assert_trees_all_equal(
    reparam.merge(rp, PARAMS, z, frozen),
    jax.jit(rp.apply)(PARAMS, z, frozen),
  )


@pytest.mark.parametrize(
  ('z', 'message'),
  [
    (jnp.zeros(4), r'should be float32\[3\], got float32\[4\]'),
    (jnp.zeros(3, jnp.int32), r'should be float32\[3\], got int32\[3\]'),
    ({'z': jnp.zeros(3)}, 'different leaves'),
  ],
)
def test_other_coordinates_are_not_merged(z, message):
  rp = reparam.hashed(dim=3)
  _, frozen = rp.init(KEY, PARAMS)
  with pytest.raises(ValueError, match=f'merge: z.*{message}'):
    reparam.merge(rp, PARAMS, z, frozen)


def test_rebasing_keeps_the_point_and_changes_the_basis():
  rp = reparam.hashed(dim=3)
  z, frozen = rp.init(KEY, PARAMS)
  z = jnp.array([1.0, -2.0, 3.0])
  params, new_z, new_frozen = jax.jit(
    lambda key, z, frozen: reparam.rebase(rp, key, PARAMS, z, frozen)
  )(jax.random.key(1), z, frozen)
  chex.assert_trees_all_close(
    params, jax.jit(rp.apply)(PARAMS, z, frozen), atol=1e-6
  )
  chex.assert_trees_all_equal(
    jax.jit(rp.apply)(params, new_z, new_frozen), params
  )
  assert (new_frozen.signs['w'] != frozen.signs['w']).any()


def test_a_step_and_a_rebase_is_random_basis_descent():
  """theta_{t+1} = theta_t - eta P_t P_t^T grad L(theta_t)."""
  rp, eta = reparam.hashed(dim=3), 0.1
  params = {'w': jnp.arange(12.0).reshape(3, 4) / 7, 'b': jnp.ones(4)}
  loss = lambda theta: sum(jnp.sum(jnp.sin(x)) for x in theta.values())

  @jax.jit
  def step(key, params, z, frozen):
    gradient = jax.grad(lambda z: loss(rp.apply(params, z, frozen)))(z)
    return reparam.rebase(rp, key, params, z - eta * gradient, frozen)

  z, frozen = jax.jit(rp.init)(jax.random.key(0), params)
  theta = np.asarray(oracles.flat(params), np.float64)
  for t in range(2):
    p = oracles.matrix(rp, params, 3, jax.random.key(t))
    theta = theta - eta * p @ (p.T @ np.cos(theta))
    params, z, frozen = step(jax.random.key(t + 1), params, z, frozen)
    np.testing.assert_allclose(oracles.flat(params), theta, atol=1e-5)
