import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import sharding
from paramspace.files import manifest
from paramspace.launch import checkpoints
from paramspace.launch import errors


def state(value=1.0):
  return {
    'params': {'Dense_0': {'kernel': jnp.full((2, 3), value / 3)}},
    'half': (jnp.full(3, value / 3, jnp.bfloat16), jnp.arange(3)),
    'key': jax.random.key(int(value)),
    'keys': jax.random.split(jax.random.key(int(value), impl='rbg'), 2),
    'nothing': jnp.zeros((0, 3)),
    'no_keys': jax.random.split(jax.random.key(0), 0),
    'step': jnp.int32(7),
    'nan': jnp.array([jnp.nan, -0.0, jnp.inf]),
    'large': jnp.full((600, 600), value / 3),
    'host': np.full(3, value / 3),
    'number': value / 3,
    'big_endian': np.full(2**18, value / 3, '>f4'),
  }


@pytest.fixture
def kept(tmp_path):
  made = checkpoints.Checkpoints(tmp_path / 'ckpt')
  yield made
  made.close()


def test_the_restored_bits_are_the_saved_bits(kept):
  kept.save(5, state(2.0))
  kept.wait()
  step, found = checkpoints.Checkpoints(kept.directory).restore(state())
  assert step == 5
  assert manifest.digest(found) == manifest.digest(state(2.0))
  assert jax.random.key_impl(found['keys']) == 'rbg'
  draw = lambda tree: jax.random.normal(tree['key'], (3,))
  assert (draw(found) == draw(state(2.0))).all()
  assert type(found['host']) is np.ndarray
  assert found['number'] == 2.0 / 3


def test_what_is_saved_cannot_change_by_donation(kept):
  size = 2**20  # So large that the thread cannot be done before the loop is.
  step = jax.jit(lambda x: x + 1.0, donate_argnums=0)
  x, host = jnp.zeros(size), np.zeros(3)
  for t in range(1, 6):
    x = step(x)
    host += 1
    kept.save(t, {'x': x, 'host': host})
    for _ in range(10):
      x = step(x)
    host += 10
    _, found = kept.restore({'x': x, 'host': host})
    now = 11.0 * t - 10.0
    assert (found['x'] == now).all()
    assert (found['host'] == now).all()


def test_a_save_returns_before_it_is_written(kept):
  kept.save(1, state())  # Makes the folder.
  kept.wait()
  kept.save(2, {'x': jnp.zeros(2**24)})
  assert kept.steps() == [1]
  kept.wait()
  assert kept.steps() == [1, 2]


def test_an_array_that_was_put_nowhere_stays_so(kept):
  there = jax.device_put(jnp.ones(2), jax.devices()[1])
  target = {'free': jnp.ones(2), 'there': there}
  kept.save(1, target)
  _, found = kept.restore(target)
  assert not found['free'].committed
  assert (
    found['there'].committed and found['there'].devices() == there.devices()
  )


@pytest.mark.parametrize('size', [16, 2**19])
@pytest.mark.parametrize('devices', [1, 2, 4])
def test_eight_devices_are_restored_on_fewer(kept, devices, size):
  split = lambda n: jax.NamedSharding(
    sharding.mesh(jax.devices()[:n]), jax.P('data')
  )
  values = jnp.arange(size, dtype=jnp.float32)
  key = jax.random.key(3)
  saved = {'x': jax.device_put(values, split(8)), 'key': key}
  kept.save(1, saved)
  target = {'x': jax.device_put(jnp.zeros(size), split(devices)), 'key': key}
  _, found = kept.restore(target)
  assert found['x'].sharding == split(devices)
  assert manifest.digest(found) == manifest.digest(saved)
  shapes = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split(devices)),
    {'x': target['x']},
  )
  _, found = kept.restore({**shapes, 'key': jax.eval_shape(lambda: key)})
  assert found['x'].sharding == split(devices)
  assert manifest.digest(found) == manifest.digest(saved)


def test_nothing_saved_restores_nothing(kept):
  assert kept.restore(state()) is None
  assert not kept.directory.exists()


def test_the_newest_is_restored_and_two_are_kept(kept):
  for step in (1, 2, 10):
    kept.save(step, {'x': jnp.full(2, float(step))})
  kept.wait()
  assert kept.steps() == [2, 10]
  assert {p.name for p in kept.directory.iterdir()} == {'2', '10'}
  step, found = kept.restore({'x': jnp.zeros(2)})
  assert step == 10 and (found['x'] == 10.0).all()


def test_one_may_be_kept_and_none_may_not(tmp_path):
  one = checkpoints.Checkpoints(tmp_path / 'ckpt', keep=1)
  for step in (1, 2):
    one.save(step, {'x': jnp.ones(2)})
  one.close()
  assert one.steps() == [2]
  with pytest.raises(ValueError, match='`keep` is at least 1, got 0'):
    checkpoints.Checkpoints(tmp_path / 'ckpt', keep=0)


def test_saving_a_step_again_leaves_it(kept):
  kept.save(1, {'x': jnp.ones(2)})
  kept.save(1, {'x': jnp.zeros(2)})
  kept.wait()
  assert kept.steps() == [1]
  assert (kept.restore({'x': jnp.zeros(2)})[1]['x'] == 1.0).all()


def test_a_save_and_a_restore_tell_their_step(tmp_path):
  seen = []
  kept = checkpoints.Checkpoints(
    tmp_path / 'ckpt',
    on_restore=lambda step: seen.append(('restored', step)),
    on_save=lambda step: seen.append(('saving', step)),
  )
  kept.restore({'x': jnp.ones(2)})
  kept.save(3, {'x': jnp.ones(2)})
  assert seen == [('saving', 3)]
  kept.restore({'x': jnp.ones(2)})
  assert seen == [('saving', 3), ('restored', 3)]
  kept.close()


def test_what_was_never_finished_is_ignored_and_goes_away(kept):
  kept.save(1, {'x': jnp.ones(2)})
  kept.close()
  (kept.directory / '2.orbax-checkpoint-tmp' / 'leaves').mkdir(parents=True)
  (kept.directory / '3').mkdir()  # All written, but killed before it counted.
  (kept.directory / 'mine.txt').touch()
  torn = kept.directory.with_name('manifests') / '3.json.tmp'
  torn.write_text('{"ver')
  assert kept.steps() == [1]
  assert kept.restore({'x': jnp.zeros(2)})[0] == 1
  kept.save(3, {'x': jnp.ones(2)})
  kept.wait()
  names = {p.name for p in kept.directory.iterdir()}
  assert names == {'1', '3', 'mine.txt'}
  assert not torn.exists()


@pytest.mark.parametrize(
  'target',
  [
    {'x': jnp.zeros(2, jnp.bfloat16)},
    {'x': jnp.zeros(3)},
    {'y': jnp.zeros(2)},
    {'x': jnp.zeros(2), 'y': jnp.zeros(2)},
    {'x': jax.random.key(0)},
    {'x': np.zeros(2)},
  ],
)
def test_another_programs_state_is_an_error_and_not_cast(kept, target):
  kept.save(1, {'x': jnp.ones(2)})
  with pytest.raises(errors.UsageError, match=r"leaf '[xy]' was .* and is now"):
    kept.restore(target)
  assert kept.steps() == [1]


def test_another_kind_of_key_is_an_error(kept):
  kept.save(1, {'key': jax.random.key(0, impl='rbg')})
  with pytest.raises(errors.UsageError, match=r'was key<rbg>\[\] and is now'):
    kept.restore({'key': jax.random.key(0, impl='unsafe_rbg')})


def test_a_leafs_name_is_no_path(kept):
  tree = {'../../x': jnp.ones(2), '/tmp/y': jnp.ones(2**19), 'a.b': jnp.ones(1)}
  kept.save(1, tree)
  _, found = kept.restore(tree)
  assert manifest.digest(found) == manifest.digest(tree)
  assert {p.name for p in kept.directory.parent.iterdir()} == {
    'ckpt',
    'manifests',
  }


def test_a_leaf_that_is_no_number_is_named(kept):
  with pytest.raises(TypeError, match="Leaf 'note' is 'hello'"):
    kept.save(1, {'note': 'hello'})


def test_a_save_is_due_after_its_time(kept):
  assert kept.due(0)
  assert not kept.due(1000)


def test_clearing_removes_all_and_may_be_done_twice(kept):
  kept.save(1, {'x': jnp.ones(2)})
  kept.clear()
  kept.clear()
  assert kept.restore({'x': jnp.ones(2)}) is None
  assert not list(kept.directory.parent.iterdir())


def test_verifying_needs_no_target_and_changes_nothing(kept):
  kept.save(1, state())
  kept.save(2, state(2.0))
  kept.close()
  assert checkpoints.verify(kept.directory) == [(1, None), (2, None)]
  path = kept.directory.with_name('manifests') / '1.json'
  record = json.loads(path.read_text())
  record['step'] = 3
  path.write_text(json.dumps(record))
  (one, problem), two = checkpoints.verify(kept.directory)
  assert one == 1 and 'the manifest was changed' in problem
  assert two == (2, None)
  assert kept.steps() == [1, 2]
  assert checkpoints.verify(kept.directory / 'absent') == []


def test_a_state_is_read_without_a_target(tmp_path):
  made = checkpoints.Checkpoints(tmp_path / 'ckpt')
  tree = {'a': {'w': np.arange(3.0)}, 'key': jax.random.key(5, impl='rbg')}
  made.save(3, tree)
  made.save(7, tree | {'a': {'w': np.arange(3.0) + 1}})
  made.close()
  found = checkpoints.load(tmp_path / 'ckpt')
  np.testing.assert_array_equal(found['a']['w'], [1, 2, 3])
  assert found['key'] == tree['key']
  found = checkpoints.load(tmp_path / 'ckpt', 3)
  np.testing.assert_array_equal(found['a']['w'], [0, 1, 2])


def test_a_state_that_is_not_there_is_not_read(tmp_path):
  with pytest.raises(FileNotFoundError, match='has no checkpoint; it has none'):
    checkpoints.load(tmp_path / 'ckpt')
