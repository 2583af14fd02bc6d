import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.launch import checkpoints
from paramspace.launch import errors


def state(value=1.0):
  return {
    'params': {'Dense_0': {'kernel': jnp.full((2, 3), value / 3)}},
    'half': (jnp.full(3, value / 3, jnp.bfloat16), jnp.arange(3)),
    'key': jax.random.key(int(value)),
    'keys': jax.random.split(jax.random.key(int(value), impl='rbg'), 2),
    'nothing': jnp.zeros((0, 3)),
    'step': jnp.int32(7),
    'nan': jnp.array([jnp.nan, -0.0, jnp.inf]),
  }


def bits(tree):
  """Every leaf as bytes, PRNG keys as their data."""

  def leaf(x):
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      x = jax.random.key_data(x)
    return np.asarray(x).tobytes()

  return jax.tree.map(leaf, tree)


def test_the_restored_bits_are_the_saved_bits(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(5, state(2.0))
  step, found = checkpoints.Checkpoints(tmp_path / 'ckpt').restore(state())
  assert step == 5
  assert bits(found) == bits(state(2.0))
  chex.assert_trees_all_equal_shapes_and_dtypes(found, state())
  assert jax.random.key_impl(found['keys']) == 'rbg'
  draw = lambda tree: jax.random.normal(tree['key'], (3,))
  assert (draw(found) == draw(state(2.0))).all()


def test_shardings_are_those_of_the_target(tmp_path):
  mesh = jax.make_mesh((8,), ('x',), (jax.sharding.AxisType.Auto,))
  sharding = jax.NamedSharding(mesh, jax.P('x'))
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'x': jnp.arange(16.0)})
  target = {'x': jax.device_put(jnp.zeros(16), sharding)}
  _, found = kept.restore(target)
  assert found['x'].sharding == sharding
  assert (found['x'] == jnp.arange(16.0)).all()


def test_nothing_saved_restores_nothing(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  assert kept.restore(state()) is None
  assert not (tmp_path / 'ckpt').exists()


def test_the_newest_is_restored_and_two_are_kept(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  for step in (1, 2, 10):
    kept.save(step, {'x': jnp.full(2, float(step))})
  assert kept.steps() == [2, 10]
  step, found = kept.restore({'x': jnp.zeros(2)})
  assert step == 10 and (found['x'] == 10.0).all()


def test_saving_a_step_again_leaves_it(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'x': jnp.ones(2)})
  kept.save(1, {'x': jnp.ones(2)})
  assert kept.steps() == [1]


def test_a_restore_tells_its_step(tmp_path):
  seen = []
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt', on_restore=seen.append)
  kept.restore({'x': jnp.ones(2)})
  kept.save(3, {'x': jnp.ones(2)})
  kept.restore({'x': jnp.ones(2)})
  assert seen == [3]


def test_a_save_that_was_killed_is_not_there(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'x': jnp.ones(2)})
  (tmp_path / 'ckpt' / '2.orbax-checkpoint-tmp' / 'leaves').mkdir(parents=True)
  assert kept.restore({'x': jnp.zeros(2)})[0] == 1


def test_a_damaged_step_is_set_aside_for_the_one_before(tmp_path, capsys):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'x': jnp.ones(2)})
  (tmp_path / 'ckpt' / '2').mkdir()
  step, found = kept.restore({'x': jnp.zeros(2)})
  assert step == 1 and (found['x'] == 1.0).all()
  assert kept.steps() == [1]
  assert (tmp_path / 'ckpt.damaged' / '2').is_dir()
  assert 'Checkpoint 2 is damaged' in capsys.readouterr().out
  kept.save(2, {'x': jnp.ones(2)})
  assert kept.steps() == [1, 2]


def test_nothing_but_damage_is_an_error(tmp_path):
  (tmp_path / 'ckpt' / '2').mkdir(parents=True)
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  with pytest.raises(errors.CheckpointCorrupt, match='No checkpoint in'):
    kept.restore({'x': jnp.zeros(2)})


@pytest.mark.parametrize(
  'target',
  [
    {'x': jnp.zeros(2, jnp.bfloat16)},
    {'x': jnp.zeros(3)},
    {'y': jnp.zeros(2)},
    {'x': jnp.zeros(2), 'y': jnp.zeros(2)},
    {'x': jax.random.key(0)},
  ],
)
def test_another_programs_state_is_an_error_and_not_cast(tmp_path, target):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'x': jnp.ones(2)})
  with pytest.raises(ValueError, match=r"leaf '[xy]' was .* and is now"):
    kept.restore(target)
  assert kept.steps() == [1]


def test_another_kind_of_key_is_an_error(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'key': jax.random.key(0, impl='rbg')})
  with pytest.raises(ValueError, match=r"was \['key<rbg>'"):
    kept.restore({'key': jax.random.key(0, impl='unsafe_rbg')})


def test_a_save_is_due_after_its_time(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  assert kept.due(0)
  assert not kept.due(1000)


def test_clearing_removes_all_and_may_be_done_twice(tmp_path):
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  kept.save(1, {'x': jnp.ones(2)})
  kept.clear()
  kept.clear()
  assert kept.restore({'x': jnp.ones(2)}) is None
