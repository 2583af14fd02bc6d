import json

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from paramspace.launch import metrics
from paramspace.launch import records
from paramspace.launch import run


def make(folder, **values):
  config = ml_collections.ConfigDict({'study': 's', 'opt': {'rate': 1.0}})
  return run.Run(folder, config.lock(), **values)


def test_a_run_is_done_when_its_result_is_its_own(tmp_path):
  folder = tmp_path / '0123'
  one = make(folder)
  one.start({'argv': []}, resume=False)
  assert not run.done(folder)
  one.finish({'accuracy': jnp.float32(0.5)}, executor='inline', group_size=1)
  assert run.done(folder)
  assert records.read(folder / 'result.json') == {
    'id': '0123',
    'status': 'done',
    'result': {'accuracy': 0.5},
    'executor': 'inline',
    'group_size': 1,
  }
  folder.rename(tmp_path / '4567')
  assert not run.done(tmp_path / '4567')


def test_a_torn_result_is_not_done(tmp_path):
  (tmp_path / 'result.json').write_text('{"id": ')
  assert not run.done(tmp_path)


def test_the_config_is_stored_with_flat_keys(tmp_path):
  make(tmp_path).start({}, resume=False)
  stored = json.loads((tmp_path / 'config.json').read_text())
  assert stored == {'study': 's', 'opt.rate': 1.0}


def test_a_status_of_the_study_is_kept_beside_the_result(tmp_path):
  one = make(tmp_path)
  one.finish({'loss': float('nan'), 'status': 'diverged'})
  assert run.result(tmp_path)['status'] == 'diverged'
  assert list(run.result(tmp_path)['result']) == ['loss']


def test_an_unknown_status_is_an_error(tmp_path):
  with pytest.raises(ValueError, match="got 'finished'"):
    make(tmp_path).finish({'status': 'finished'})


def test_a_fresh_start_forgets_the_metrics_of_a_former_one(tmp_path):
  one = make(tmp_path)
  one.start({}, resume=False)
  one.log(1, loss=1.0)
  make(tmp_path).start({}, resume=True)
  assert len(metrics.read(tmp_path / 'metrics.jsonl')) == 1
  make(tmp_path).start({}, resume=False)
  assert metrics.read(tmp_path / 'metrics.jsonl') == []


def test_restoring_a_checkpoint_cuts_the_metrics_to_its_step(tmp_path):
  one = make(tmp_path)
  one.start({}, resume=False)
  for step in (1, 2, 3):
    one.log(step, loss=0.5)
    if step == 2:
      one.checkpoints.save(step, {'x': jnp.ones(2)})
  again = make(tmp_path)
  again.checkpoints.restore({'x': jnp.zeros(2)})
  rows = metrics.read(tmp_path / 'metrics.jsonl')
  assert [row['step'] for row in rows] == [1, 2]


def test_artifacts_are_named_leaves(tmp_path):
  tree = {
    'params': {'w': jnp.arange(3.0), 'half': jnp.ones(2, jnp.bfloat16) / 3},
    'key': jax.random.key(3),
  }
  with np.load(make(tmp_path).save('final', tree)) as file:
    found = dict(file)
  assert sorted(found) == ['key', 'params/half', 'params/w']
  assert found['params/half'].dtype == np.float32
  np.testing.assert_array_equal(
    found['params/half'], np.asarray(tree['params']['half'], np.float32)
  )
  np.testing.assert_array_equal(found['key'], jax.random.key_data(tree['key']))


@pytest.mark.parametrize('name', ['', '../x', 'a/b', '.hidden', 'a b', 'é'])
def test_an_artifact_cannot_leave_its_folder(tmp_path, name):
  with pytest.raises(ValueError, match='cannot name an artifact'):
    make(tmp_path).save(name, {'w': jnp.ones(1)})


def batch(tmp_path, members=2, size=3):
  runs = [make(tmp_path / str(i)) for i in range(members)]
  for one in runs:
    one.start({}, resume=False)
  return run.BatchRun(tmp_path / 'group', runs, size)


def test_a_batch_logs_a_row_to_each_member_and_drops_the_padding(tmp_path):
  batch(tmp_path).log(4, loss=jnp.array([1.0, 2.0, 3.0]))
  rows = [metrics.read(tmp_path / i / 'metrics.jsonl') for i in '01']
  assert rows == [[{'step': 4, 'loss': 1.0}], [{'step': 4, 'loss': 2.0}]]
  assert sorted(p.name for p in tmp_path.iterdir()) == ['0', '1']


@pytest.mark.parametrize('value', [1.0, np.ones(2), np.ones((3, 1))])
def test_a_batch_needs_a_number_for_each_row(tmp_path, value):
  with pytest.raises(ValueError, match=r'log\(loss=...\) takes one number for'):
    batch(tmp_path).log(1, loss=value)


def test_a_batch_saves_a_row_to_each_member(tmp_path):
  batch(tmp_path).save('final', {'w': jnp.arange(6.0).reshape(3, 2)})
  with np.load(tmp_path / '1' / 'artifacts' / 'final.npz') as file:
    np.testing.assert_array_equal(file['w'], [2.0, 3.0])


def test_restoring_a_batch_cuts_the_metrics_of_every_member(tmp_path):
  first = batch(tmp_path)
  first.log(1, loss=np.ones(3))
  first.checkpoints.save(1, {'x': jnp.ones(3)})
  first.log(2, loss=np.ones(3))
  first.checkpoints.restore({'x': jnp.ones(3)})
  for i in '01':
    assert len(metrics.read(tmp_path / i / 'metrics.jsonl')) == 1


def test_no_bar_is_drawn_where_nobody_looks(tmp_path, capfd):
  with make(tmp_path).progress(3, 'train') as bar:
    bar.set(1)
    bar.advance(loss=0.5)
  shown = capfd.readouterr()
  assert (shown.out, shown.err) == ('', '')
