import json

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from paramspace.launch import errors
from paramspace.launch import metrics
from paramspace.launch import records
from paramspace.launch import run


def make(folder, log_every=None, **values):
  config = {'study': 's', 'opt': {'rate': 1.0}}
  if log_every is not None:
    config['execution'] = {'log_every': log_every}
  return run.Run(folder, ml_collections.ConfigDict(config).lock(), **values)


def rows(folder):
  return metrics.read(folder / 'metrics.jsonl')


def test_a_run_is_done_when_its_result_is_its_own(tmp_path):
  folder = tmp_path / '0123'
  one = make(folder)
  one.start({'argv': []}, resume=False)
  assert not run.done(folder)
  one.finish({'accuracy': jnp.float32(0.5)}, executor='inline', group_size=1)
  assert run.done(folder)
  record = records.read(folder / 'result.json')
  assert record.pop('sha256') == records.seal(record)['sha256']
  assert record == {
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


def test_a_result_that_was_changed_is_not_done(tmp_path):
  make(tmp_path).finish({'loss': float('inf'), 'text': 'naïve'})
  path = tmp_path / 'result.json'
  whole = path.read_text()
  assert run.done(tmp_path)
  path.write_text(whole.replace('Infinity', '0.5'))
  assert not run.done(tmp_path)
  path.write_text(whole.replace('"status": "done"', '"status": "diverged"'))
  assert not run.done(tmp_path)
  path.write_text(json.dumps(json.loads(whole)))  # Other bytes, same content.
  assert run.done(tmp_path)


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
  one.close()
  make(tmp_path).start({}, resume=True)
  assert len(rows(tmp_path)) == 1
  make(tmp_path).start({}, resume=False)
  assert rows(tmp_path) == []


def test_restoring_a_checkpoint_cuts_the_metrics_to_its_step(tmp_path):
  one = make(tmp_path)
  one.start({}, resume=False)
  for step in (1, 2, 3):
    one.log(step, loss=0.5)
    if step == 2:
      one.checkpoints.save(step, {'x': jnp.ones(2)})
  again = make(tmp_path)
  again.checkpoints.restore({'x': jnp.zeros(2)})
  assert [row['step'] for row in rows(tmp_path)] == [1, 2]


def test_numbers_wait_on_the_device_and_come_in_one_transfer(
  tmp_path, monkeypatch
):
  transfers = []
  get = jax.device_get
  monkeypatch.setattr(
    jax, 'device_get', lambda x: transfers.append(x) or get(x)
  )
  one = make(tmp_path, log_every=5)
  one.start({}, resume=False)
  for step in range(1, 8):
    one.log(step, loss=jnp.float32(step), half=jnp.bfloat16(0.5), rate=0.1)
    assert not one.should_stop(step)
    assert len(rows(tmp_path)) == (5 if step >= 5 else 0)
  one.close()
  assert rows(tmp_path)[-1] == {
    'step': 7,
    'loss': 7.0,
    'half': 0.5,
    'rate': 0.1,
  }
  assert len(rows(tmp_path)) == 7
  assert len(transfers) == 2


def test_numbers_may_be_donated_and_changed_after_they_were_logged(tmp_path):
  step = jax.jit(lambda s: s + 1, donate_argnums=0)
  one, state, host = make(tmp_path), jnp.zeros(()), np.zeros(())
  one.start({}, resume=False)
  for t in range(1, 4):
    former, state = state, step(state)
    assert former.is_deleted()
    host += 1
    one.log(t, state=state, host=host)
  del former
  step(state)
  one.flush()
  assert [row['state'] for row in rows(tmp_path)] == [1, 2, 3]
  assert [row['host'] for row in rows(tmp_path)] == [1, 2, 3]


def test_numbers_may_live_on_different_devices(tmp_path):
  one = make(tmp_path)
  one.start({}, resume=False)
  first, *_, last = jax.devices()
  one.log(1, a=jax.device_put(1.0, first), b=jax.device_put(2.0, last))
  one.flush()
  assert rows(tmp_path) == [{'step': 1, 'a': 1.0, 'b': 2.0}]


def test_all_that_is_logged_of_a_step_is_one_row(tmp_path):
  one = make(tmp_path, log_every=1)
  one.start({}, resume=False)
  one.log(1, loss=0.5)
  one.log(1, rate=0.1)
  assert not one.should_stop(1)
  one.log(1, accuracy=0.9)  # As after the loop, when the row is written.
  one.close()
  assert rows(tmp_path) == [
    {'step': 1, 'loss': 0.5, 'rate': 0.1, 'accuracy': 0.9}
  ]


@pytest.mark.parametrize(
  ('value', 'error', 'message'),
  [
    (np.zeros(3), ValueError, r'log\(x=...\) takes a number, got shape \(3,\)'),
    ('high', TypeError, "log\\(x=...\\) takes a number, got 'high'"),
  ],
)
def test_what_is_no_number_cannot_be_logged(tmp_path, value, error, message):
  with pytest.raises(error, match=message):
    make(tmp_path).log(1, x=value)


def test_steps_that_fall_are_an_error(tmp_path):
  one = make(tmp_path)
  one.log(3, x=1.0)
  with pytest.raises(ValueError, match=r'log\(2, ...\) comes after step 3'):
    one.log(2, x=1.0)


def test_logging_within_jit_is_an_error(tmp_path):
  one = make(tmp_path)
  with pytest.raises(TypeError, match='within jit'):
    jax.jit(lambda x: one.log(1, x=x))(1.0)


def test_a_checkpoint_has_the_metrics_of_its_steps_beside_it(tmp_path):
  one = make(tmp_path)
  one.start({}, resume=False)
  one.log(1, loss=0.5)
  assert not rows(tmp_path)
  one.checkpoints.save(1, {'x': jnp.ones(2)})
  assert rows(tmp_path) == [{'step': 1, 'loss': 0.5}]
  one.close()


def test_the_stop_is_asked_with_the_step(tmp_path):
  asked = []
  one = make(tmp_path, stop=lambda step: asked.append(step) or step == 7)
  assert not one.should_stop(3)
  assert one.should_stop(7)
  assert asked == [3, 7]


def test_every_start_is_counted(tmp_path):
  for start in (1, 2, 3):
    make(tmp_path).start({'argv': []}, resume=start > 1)
    assert records.read(tmp_path / 'meta.json') == {'argv': [], 'start': start}


def test_a_log_every_that_is_not_positive_is_a_usage_error(tmp_path):
  with pytest.raises(
    errors.UsageError, match='log_every` is at least 1, got 0'
  ):
    make(tmp_path, log_every=0)


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
  again = make(tmp_path).load('final')
  np.testing.assert_array_equal(again['params']['w'], np.arange(3.0))


def test_an_artifact_that_is_damaged_or_not_there_is_named(tmp_path):
  run = make(tmp_path)
  path = run.save('final', {'w': np.arange(1000.0)})
  with pytest.raises(FileNotFoundError, match=r'other.npz'):
    run.load('other')
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(bytes(content))
  with pytest.raises(ValueError, match=r'final.npz is damaged'):
    run.load('final')
  path.write_bytes(bytes(content[:100]))
  with pytest.raises(ValueError, match=r'final.npz is damaged'):
    run.load('final')


@pytest.mark.parametrize('name', ['', '../x', 'a/b', '.hidden', 'a b', 'é'])
def test_an_artifact_cannot_leave_its_folder(tmp_path, name):
  with pytest.raises(ValueError, match='cannot name an artifact'):
    make(tmp_path).save(name, {'w': jnp.ones(1)})


def test_no_bar_is_drawn_where_nobody_looks(tmp_path, capfd):
  with make(tmp_path).progress(3, 'train') as bar:
    bar.set(1)
    bar.advance(loss=0.5)
  shown = capfd.readouterr()
  assert (shown.out, shown.err) == ('', '')
