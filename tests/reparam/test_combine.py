import chex
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from paramspace import reparam

KEY = jax.random.key(0)
PARAMS = {
  'Dense_0': {'kernel': jnp.ones((4, 6)), 'bias': jnp.zeros(6)},
  'Dense_1': {'kernel': jnp.ones((6, 2)), 'bias': jnp.zeros(2)},
}


def draw(rp, params=PARAMS):
  return jax.jit(rp.init)(KEY, params)


# select.


def test_each_leaf_goes_to_the_first_route_that_fits():
  rp = reparam.select(
    {
      'Dense_0/.*': reparam.hashed(dim=3),
      '.*/kernel': reparam.hashed(dim=5),
    }
  )
  z, frozen = draw(rp)
  assert [x.shape for x in z] == [(3,), (5,)]
  first = jax.jit(rp.apply)(PARAMS, (z[0] + 1, z[1]), frozen)
  second = jax.jit(rp.apply)(PARAMS, (z[0], z[1] + 1), frozen)
  moved = lambda theta: jax.tree.map(
    lambda a, b: bool((a != b).all()), theta, PARAMS
  )
  assert moved(first) == {
    'Dense_0': {'kernel': True, 'bias': True},
    'Dense_1': {'kernel': False, 'bias': False},
  }
  assert moved(second) == {
    'Dense_0': {'kernel': False, 'bias': False},
    'Dense_1': {'kernel': True, 'bias': False},
  }


def test_a_regular_expression_must_match_the_whole_name():
  rp = reparam.select({'Dense_0/kern': reparam.hashed(dim=3)})
  with pytest.raises(ValueError, match=r"near misses: .*'Dense_0/kernel'"):
    rp.init(KEY, PARAMS)


def test_a_route_may_be_a_predicate():
  rp = reparam.select({lambda name, x: x.ndim == 1: reparam.full()})
  (z,), _ = draw(rp)
  assert list(z) == ['Dense_0/bias', 'Dense_1/bias']


def test_a_route_left_without_leaves_is_refused():
  rp = reparam.select({'.*': reparam.full(), '.*/bias': reparam.hashed(dim=2)})
  with pytest.raises(ValueError, match=r"'\.\*/bias' matches no leaf"):
    rp.init(KEY, PARAMS)


def test_one_route_draws_as_its_method_alone():
  """Leaves keep their names, and so their draws."""
  rp, alone = reparam.select({'.*': reparam.hashed(4)}), reparam.hashed(4)
  z = jnp.arange(4.0)
  theta = jax.jit(rp.apply)(PARAMS, (z,), draw(rp)[1])
  expected = jax.jit(alone.apply)(PARAMS, z, draw(alone)[1])
  chex.assert_trees_all_equal(theta, expected)


def test_select_counts_its_parts():
  rp = reparam.select({'.*': reparam.hashed(4)})
  with pytest.raises(ValueError, match='should have 1 parts, got 2'):
    rp.apply(PARAMS, (jnp.zeros(4), jnp.zeros(4)), draw(rp)[1])


# chain.


def test_a_chain_is_the_product_of_the_matrices():
  params = oracles.shaped(a=[5, 7], b=[3])
  outer, inner = reparam.fastfood(dim=8), reparam.hashed(dim=3)
  p = oracles.matrix(reparam.chain(outer, inner), params, 3, KEY)
  outer_key, inner_key = jax.random.split(KEY)

  outer_p = oracles.matrix(outer, params, 8, outer_key)
  inner_p = oracles.matrix(inner, jnp.zeros(8), 3, inner_key)
  np.testing.assert_allclose(p, outer_p @ inner_p, atol=1e-6)


def test_a_chain_of_full_is_the_inner_method():
  """Uni-LoRA's shape: the inner map acts on a tree of coordinates."""
  rp = reparam.chain(reparam.full(), reparam.hashed(dim=3))
  z, frozen = draw(rp)
  assert z.shape == (3,)
  theta = jax.jit(rp.apply)(PARAMS, z + 1, frozen)
  moved = oracles.flat(theta) - oracles.flat(PARAMS)
  np.testing.assert_allclose(float((moved**2).sum()), 3, rtol=1e-5)


def test_a_chain_is_nested_if_the_inner_map_is():
  assert reparam.chain(reparam.hashed(8), reparam.dense(3)).nested
  assert not reparam.chain(reparam.dense(8), reparam.hashed(3)).nested


# add.


def test_a_sum_adds_what_each_part_adds():
  parts = reparam.hashed(dim=4), reparam.hadamard(dim=3), reparam.full()
  rp = reparam.add(*parts)
  z, frozen = draw(rp)
  z = jax.tree.map(lambda x: x + 0.25, z)
  theta = jax.jit(rp.apply)(PARAMS, z, frozen)
  expected = oracles.flat(PARAMS)
  for part, coordinates, froze in zip(parts, z, frozen, strict=True):
    moved = jax.jit(part.apply)(PARAMS, coordinates, froze)
    expected = expected + (oracles.flat(moved) - oracles.flat(PARAMS))
  np.testing.assert_allclose(oracles.flat(theta), expected, atol=1e-6)


def test_equal_parts_draw_differently():
  rp = reparam.add(reparam.hashed(3), reparam.hashed(3))
  _, (one, two) = draw(rp)
  assert (one.signs['Dense_0/kernel'] != two.signs['Dense_0/kernel']).any()


def test_add_counts_its_parts():
  rp = reparam.add(reparam.hashed(4))
  with pytest.raises(ValueError, match='should have 1 parts, got 2'):
    rp.apply(PARAMS, (jnp.zeros(4), jnp.zeros(4)), draw(rp)[1])
  with pytest.raises(ValueError, match='at least one'):
    reparam.add()


def test_a_sum_of_small_steps_is_not_lost_in_bfloat16():
  """Two parts of a third of an ulp each: cast once they move, twice not."""
  params = {'w': jnp.ones(8, jnp.bfloat16)}
  rp = reparam.add(reparam.full(), reparam.full())
  z, frozen = draw(rp, params)
  assert {x.dtype for x in jax.tree.leaves(z)} == {jnp.dtype('float32')}
  z = jax.tree.map(lambda x: x + 2.0**-7 / 3, z)
  theta = jax.jit(rp.apply)(params, z, frozen)
  np.testing.assert_array_equal(
    theta['w'].astype(jnp.float32), np.float32(1 + 2.0**-7)
  )
