"""What every prune of a delta keeps."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_all_methods as methods

from paramspace import trees

every_delta = pytest.mark.parametrize('name', methods.DELTAS)


@functools.cache
def pruned(name):
  """Returns a prune, and what it makes of DELTA."""
  prune = methods.compiled(methods.DELTAS[name].make())
  return prune, prune(methods.KEY, methods.DELTA)


def support(tree):
  return {n: np.asarray(x) != 0 for n, x in methods.weights(tree).items()}


@pytest.mark.optimized
@every_delta
def test_at_full_density_the_delta_is_what_it_was_to_the_bit(name):
  same = methods.compiled(methods.DELTAS[name].full())(
    methods.KEY, methods.DELTA
  )
  chex.assert_trees_all_equal(same, methods.DELTA)
  chex.assert_trees_all_equal_dtypes(same, methods.DELTA)


@every_delta
def test_a_prune_carries_leaves_without_a_delta(name):
  _, out = pruned(name)
  for leaf in ('step', 'trained'):
    chex.assert_trees_all_equal(out[leaf], methods.DELTA[leaf])
    assert out[leaf].dtype == methods.DELTA[leaf].dtype


@pytest.mark.parametrize(
  'name', [n for n, row in methods.DELTAS.items() if row.kept is not None]
)
def test_the_number_of_entries_that_are_kept_is_exact(name):
  _, out = pruned(name)
  counts = {n: x.sum() for n, x in support(out).items()}
  sizes = {n: x.size for n, x in methods.weights(methods.DELTA).items()}
  assert counts == {
    n: methods.DELTAS[name].kept(size) for n, size in sizes.items()
  }


@every_delta
def test_a_prune_run_eagerly_keeps_the_same_entries(name):
  prune = methods.DELTAS[name].make()
  small = {'Dense_1': methods.DELTA['Dense_1']}
  eager, out = (
    prune(methods.KEY, small),
    methods.compiled(prune)(methods.KEY, small),
  )
  chex.assert_trees_all_equal(support(eager), support(out))
  chex.assert_trees_all_close(
    methods.weights(eager), methods.weights(out), atol=2e-6
  )


@pytest.mark.optimized
@every_delta
def test_a_prune_of_sharded_leaves_keeps_the_same_entries(name):
  prune, out = pruned(name)
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)
  place = lambda x: jax.device_put(
    x,
    jax.NamedSharding(
      mesh, jax.P('devices') if x.ndim and x.shape[0] % 8 == 0 else jax.P()
    ),
  )
  spread = prune(methods.KEY, jax.tree.map(place, methods.DELTA))
  chex.assert_trees_all_equal(support(spread), support(out))
  chex.assert_trees_all_close(
    methods.weights(spread), methods.weights(out), atol=2e-6
  )


@pytest.mark.parametrize(
  'name', [n for n, row in methods.DELTAS.items() if row.own]
)
def test_a_pruned_leaf_does_not_depend_on_other_leaves(name):
  _, out = pruned(name)
  got = methods.compiled(methods.DELTAS[name].make())(
    methods.KEY, {'Dense_1': methods.DELTA['Dense_1']}
  )
  chex.assert_trees_all_equal(got['Dense_1'], out['Dense_1'])


@every_delta
def test_a_vmapped_prune_is_a_loop(name):
  prune, _ = pruned(name)
  keys = jax.random.split(methods.KEY, 2)
  both = [
    methods.DELTA,
    jax.tree.map(lambda x: x[::-1] if x.ndim else x, methods.DELTA),
  ]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *both)
  batch = methods.compiled(jax.vmap(methods.DELTAS[name].make()))(keys, stack)
  for i, (key, delta) in enumerate(zip(keys, both, strict=True)):
    one = jax.tree.map(lambda x, i=i: x[i], batch)
    out = prune(key, delta)
    chex.assert_trees_all_equal(support(one), support(out))
    chex.assert_trees_all_close(
      methods.weights(one), methods.weights(out), atol=2e-6
    )


@every_delta
def test_a_bfloat16_delta_is_pruned_as_float32_and_cast_once(name):
  prune, _ = pruned(name)
  bf16 = lambda x: x.astype(jnp.bfloat16) if trees.is_floating(x) else x
  narrow = jax.tree.map(bf16, methods.DELTA)
  wide = jax.tree.map(
    lambda x: x.astype(jnp.float32) if trees.is_floating(x) else x, narrow
  )
  if name == 'chain':
    pytest.skip('every link casts')
  got = prune(methods.KEY, narrow)
  chex.assert_trees_all_equal(got, trees.cast(prune(methods.KEY, wide), narrow))
  chex.assert_trees_all_equal_dtypes(got, narrow)


@every_delta
def test_the_gradient_of_a_prune_is_its_mask_times_its_scale(name):
  prune, (_, out) = methods.DELTAS[name].make(), pruned(name)
  total = lambda x: sum(
    x.sum()
    for x in methods.weights(
      prune(methods.KEY, methods.DELTA | {'Dense_1': x})
    ).values()
  )
  slope = methods.compiled(jax.grad(total))(methods.DELTA['Dense_1'])
  for leaf, x in slope.items():
    assert np.isfinite(x).all()
    if methods.DELTAS[name].diagonal:
      methods.product = x * methods.DELTA['Dense_1'][leaf]
      np.testing.assert_allclose(
        methods.product, out['Dense_1'][leaf], rtol=1e-6
      )


@pytest.mark.parametrize('factor', [-4.0, 0.5])
@every_delta
def test_a_prune_of_a_multiple_is_the_multiple_of_the_prune(name, factor):
  prune, out = pruned(name)
  times = lambda tree: jax.tree.map(
    lambda x: factor * x if trees.is_floating(x) else x, tree
  )
  chex.assert_trees_all_equal(
    prune(methods.KEY, times(methods.DELTA)), times(out)
  )


@every_delta
def test_a_delta_of_zeros_stays_one(name):
  prune, _ = pruned(name)
  zeros = jax.tree.map(jnp.zeros_like, methods.DELTA)
  chex.assert_trees_all_equal(prune(methods.KEY, zeros), zeros)


@pytest.mark.parametrize('wrong', [np.nan, np.inf])
@every_delta
def test_a_delta_that_is_not_finite_is_refused(name, wrong):
  broken = methods.DELTA | {'scale': jnp.array(wrong)}
  with pytest.raises(ValueError, match="'scale' of the delta has 1 values"):
    methods.DELTAS[name].make()(methods.KEY, broken)


@every_delta
def test_a_delta_without_weights_is_refused(name):
  with pytest.raises(ValueError, match='no floating-point parameters'):
    methods.DELTAS[name].make()(methods.KEY, {'step': jnp.array(3)})


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32', 'float64'])
@every_delta
def test_a_prune_is_traced_where_numbers_have_64_bits(name, dtype):
  with jax.enable_x64(True):
    change = lambda x: x.astype(dtype) if trees.is_floating(x) else x
    delta = jax.tree.map(change, methods.DELTA)
    out = jax.eval_shape(methods.DELTAS[name].make(), methods.KEY, delta)
    chex.assert_trees_all_equal_shapes_and_dtypes(out, delta)
