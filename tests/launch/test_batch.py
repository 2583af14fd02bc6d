import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from paramspace.launch import batch
from paramspace.launch import metrics
from paramspace.launch import run


def make(folder, members=2, size=3, **values):
  config = ml_collections.ConfigDict({'study': 's'}).lock()
  runs = [run.Run(folder / str(i), config) for i in range(members)]
  for one in runs:
    one.start({}, resume=False)
  return batch.BatchRun(folder / 'group', runs, size, **values)


def rows(folder):
  return [metrics.read(folder / i / 'metrics.jsonl') for i in '01']


def test_a_batch_logs_a_row_to_each_member_and_drops_the_padding(tmp_path):
  made = make(tmp_path)
  made.log(4, loss=jnp.array([1.0, 2.0, 3.0]), list=[1, 2, 3])
  made.close()
  assert rows(tmp_path) == [
    [{'step': 4, 'loss': 1.0, 'list': 1}],
    [{'step': 4, 'loss': 2.0, 'list': 2}],
  ]
  assert sorted(p.name for p in tmp_path.iterdir()) == ['0', '1']


@pytest.mark.parametrize('value', [1.0, np.ones(2), jnp.ones((3, 1))])
def test_a_batch_needs_a_number_for_each_row(tmp_path, value):
  with pytest.raises(ValueError, match=r'log\(loss=...\) takes one number for'):
    make(tmp_path).log(1, loss=value)


def test_all_rows_of_all_steps_come_in_one_transfer(tmp_path, monkeypatch):
  transfers = []
  get = jax.device_get
  monkeypatch.setattr(
    jax, 'device_get', lambda x: transfers.append(x) or get(x)
  )
  made = make(tmp_path)
  for step in range(1, 101):
    made.log(step, loss=jnp.arange(3.0), accuracy=jnp.ones(3))
    assert not made.should_stop(step)
  made.close()
  assert [len(r) for r in rows(tmp_path)] == [100, 100]
  assert len(transfers) == 1


def test_a_batch_saves_a_row_to_each_member(tmp_path):
  make(tmp_path).save('final', {'w': jnp.arange(6.0).reshape(3, 2)})
  with np.load(tmp_path / '1' / 'artifacts' / 'final.npz') as file:
    np.testing.assert_array_equal(file['w'], [2.0, 3.0])


def test_restoring_a_batch_cuts_the_metrics_of_every_member(tmp_path):
  first = make(tmp_path)
  first.log(1, loss=np.ones(3))
  first.checkpoints.save(1, {'x': jnp.ones(3)})
  first.log(2, loss=np.ones(3))
  first.close()
  assert [len(r) for r in rows(tmp_path)] == [2, 2]
  first.checkpoints.restore({'x': jnp.ones(3)})
  assert [len(r) for r in rows(tmp_path)] == [1, 1]


def test_a_row_of_the_exact_form_has_the_bits_of_a_row_alone(tmp_path):
  w = jax.random.normal(jax.random.key(0), (5, 7, 7))
  f = lambda w, x: jnp.tanh(w @ x)
  exact = make(tmp_path, exact=True).each(f, in_axes=(0, None))
  together = make(tmp_path).each(f, in_axes=(0, None))
  alone = jnp.stack([jax.jit(f)(row, jnp.ones(7)) for row in w])
  np.testing.assert_array_equal(jax.jit(exact)(w, jnp.ones(7)), alone)
  np.testing.assert_allclose(
    jax.jit(together)(w, jnp.ones(7)), alone, rtol=1e-5
  )


def test_rows_that_run_together_are_placed_on_all_devices(tmp_path):
  tree = {
    'x': jnp.ones((16, 2)),
    'key': jax.random.split(jax.random.key(0), 16),
  }
  placed = make(tmp_path).place(tree)
  for leaf in placed.values():
    assert leaf.sharding.device_set == set(jax.local_devices())
    assert leaf.addressable_shards[0].data.shape[0] == 2
  assert make(tmp_path, exact=True).place(tree) is tree
