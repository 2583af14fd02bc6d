"""Placing arrays on eight devices: values, shardings and collectives."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import sharding

pytestmark = pytest.mark.optimized
P = jax.P


@pytest.fixture(scope='module')
def mesh():
  return sharding.mesh()


def shapes(**leaves):
  return {
    name: jax.ShapeDtypeStruct(shape, jnp.float32)
    for name, shape in leaves.items()
  }


def specs(shardings):
  return {name: s.spec for name, s in shardings.items()}


def collectives(function, *arguments):
  """Returns the names of the collectives in the compiled function."""
  text = jax.jit(function).lower(*arguments).compile().as_text()
  names = 'all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute'
  return set(re.findall(rf' ({names})(?:-start)?\(', text))


def test_a_mesh_has_all_devices_and_lets_xla_shard(mesh):
  assert mesh.shape == {'data': 8}
  assert mesh.axis_types == (jax.sharding.AxisType.Auto,)
  two = sharding.mesh(jax.devices()[:4], {'a': 2, 'b': 2})
  assert two.shape == {'a': 2, 'b': 2}
  assert set(two.devices.flat) == set(jax.devices()[:4])


def test_a_mesh_that_does_not_fill_the_devices_is_refused():
  with pytest.raises(ValueError, match=r"\{'a': 3\} does not fill 8 devices"):
    sharding.mesh(axes={'a': 3})


def test_the_largest_dimension_that_divides_is_split(mesh):
  leaves = shapes(
    kernel=(3, 64, 16), odd=(1001, 8, 3), prime=(1009, 7), square=(64, 64)
  )
  assert specs(sharding.fsdp(leaves, mesh, min_size=1)) == {
    'kernel': P(None, 'data', None),
    'odd': P(None, 'data', None),
    'prime': P(),
    'square': P('data', None),
  }


def test_small_leaves_scalars_and_keys_are_replicated(mesh):
  leaves = {
    **shapes(small=(8, 8), large=(8, 16), scalar=(), empty=(0,)),
    'keys': jax.random.split(jax.random.key(0), 1024),
  }
  found = specs(sharding.fsdp(leaves, mesh, min_size=65))
  assert found.pop('large') == P(None, 'data')
  assert set(found.values()) == {P()}


def test_the_optimizer_is_split_as_the_parameters_are(mesh):
  import optax

  params = {'w': jnp.zeros((256, 128)), 'b': jnp.zeros(128)}
  state = jax.eval_shape(optax.adam(1e-3).init, params)
  rule = functools.partial(sharding.fsdp, mesh=mesh)
  assert specs(rule(state)[0].mu) == specs(rule(params))
  assert rule(params)['w'].spec == P('data', None)


def test_an_axis_that_is_not_there_is_named(mesh):
  with pytest.raises(ValueError, match=r"axes \('data',\), and no 'model'"):
    sharding.fsdp({}, mesh, axis='model')


def test_what_is_placed_keeps_its_values_and_has_its_sharding(mesh):
  tree = {
    'w': np.arange(128.0, dtype=np.float32).reshape(16, 8),
    'key': jax.random.key(3, impl='rbg'),
    'on_one_device': jnp.arange(8),
  }
  want = sharding.fsdp(tree, mesh, min_size=1)
  found = sharding.place(tree, want)
  assert {name: x.sharding for name, x in found.items()} == want
  np.testing.assert_array_equal(found['w'], tree['w'])
  np.testing.assert_array_equal(found['on_one_device'], np.arange(8))
  assert found['key'] == tree['key']
  assert found['w'].addressable_shards[0].data.shape == (2, 8)


@pytest.mark.parametrize(('count', 'used'), [(16, 8), (12, 6), (7, 7), (1, 1)])
def test_rows_are_spread_evenly_over_as_many_devices_as_divide(count, used):
  tree = {
    'x': np.arange(count * 3.0).reshape(count, 3),
    'key': jax.random.split(jax.random.key(0), count),
  }
  found = sharding.rows(tree)
  for x in found.values():
    sizes = {s.data.shape[0] for s in x.addressable_shards}
    assert len(x.addressable_shards) == used
    assert sizes == {count // used}
  np.testing.assert_array_equal(found['x'], tree['x'])
  assert (found['key'] == tree['key']).all()


@pytest.mark.parametrize('other', [(3,), ()])
def test_leaves_that_are_not_rows_are_named(other):
  message = "one leading axis in all leaves; that of 'other' is "
  with pytest.raises(ValueError, match=message):
    sharding.rows({'a': np.ones((4, 2)), 'other': np.ones(other)})


def test_programs_of_rows_have_no_collectives():
  rows = sharding.rows({'x': jnp.ones((8, 5)), 'rate': jnp.ones(8)})

  def step(row):
    return jax.grad(lambda x: jnp.tanh(x * row['rate']).sum())(row['x'])

  assert not collectives(jax.vmap(step), rows)
  # The search finds what it looks for.
  assert collectives(lambda rows: rows['x'].sum(), rows) == {'all-reduce'}


def test_a_batch_is_loaded_in_parts_that_cover_it_once(mesh):
  whole, loaded = np.arange(48.0).reshape(16, 3), []

  def load(part):
    loaded.append(part)
    return whole[part]

  found = sharding.batch(mesh, whole.shape, load)
  assert found.sharding.spec == P('data', None)
  np.testing.assert_array_equal(found, whole)
  rows = [i for part in loaded for i in range(16)[part]]
  assert sorted(rows) == list(range(16))


def test_the_examples_of_a_batch_may_be_any_dimension(mesh):
  whole = np.arange(2 * 16).reshape(2, 16)
  found = sharding.batch(mesh, (2, 16), lambda p: whole[:, p], dimension=1)
  assert found.sharding.spec == P(None, 'data')
  np.testing.assert_array_equal(found, whole)


def test_a_batch_that_cannot_be_split_is_refused(mesh):
  with pytest.raises(ValueError, match=r'12 examples .* 8 devices; .* of 8'):
    sharding.batch(mesh, (12,), lambda part: np.zeros(12)[part])


def test_an_fsdp_step_is_the_replicated_step(mesh):
  keys = jax.random.split(jax.random.key(0), 3)
  params = {
    'first': jax.random.normal(keys[0], (24, 64)) / 5,
    'second': jax.random.normal(keys[1], (64, 8)) / 8,
  }
  inputs = np.asarray(jax.random.normal(keys[2], (32, 24)))

  def loss(params, inputs):
    hidden = jnp.tanh(inputs @ params['first'])
    return ((hidden @ params['second']) ** 2).mean()

  def train(rule):
    layout = rule(params, mesh)

    @functools.partial(jax.jit, out_shardings=layout)
    def step(params, inputs):
      grad = jax.grad(loss)(params, inputs)
      return jax.tree.map(lambda x, g: x - 0.1 * g, params, grad)

    found = sharding.place(params, layout)
    batch = sharding.batch(mesh, inputs.shape, lambda part: inputs[part])
    for _ in range(3):
      found = step(found, batch)
    assert {name: x.sharding for name, x in found.items()} == layout
    return found

  split = train(functools.partial(sharding.fsdp, min_size=1))
  whole = train(sharding.replicate)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-5), split, whole
  )
  assert split['first'].addressable_shards[0].data.size == 24 * 64 // 8
