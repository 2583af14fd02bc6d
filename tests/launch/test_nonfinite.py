import contextlib
import math

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from paramspace.launch import batch
from paramspace.launch import errors
from paramspace.launch import metrics
from paramspace.launch import nonfinite
from paramspace.launch import records
from paramspace.launch import run

# Trains a point in noise; `bad` are the batches that poison the gradient.
STUDY = """
import jax
import jax.numpy as jnp

from paramspace.launch import nonfinite

VMAPPABLE = ('seed',)


def step(policy, state, t, bad):
  def loss(z):
    return jnp.where(jnp.any(t == bad), jnp.nan, 1.0) * (z**2).sum()

  value, grad = jax.value_and_grad(loss)(state['z'])
  new = {'z': state['z'] - 0.1 * grad, 'skipped': state['skipped']}
  kept = nonfinite.keep(policy)(new, state, (value, grad))
  skipped = kept.state['skipped'] + kept.skipped
  return kept.state | {'skipped': skipped}, value


def train(configs, run):
  config = configs[0]
  # Only the rows of seed 1 are poisoned, or with seed -1 all of them.
  bad = jnp.array([
    [3, 5] if c.seed == 1 or c.all_bad else [0, 0] for c in configs
  ])
  state = {
    'z': jnp.array([[1.0 + c.seed, 2.0] for c in configs]),
    'skipped': jnp.zeros(len(configs), jnp.int32),
  }
  rows = jax.jit(jax.vmap(
    lambda *a: step(config.nonfinite, *a), in_axes=(0, None, 0)))
  t = 0
  found = run.checkpoints.restore(state)
  if found:
    t, state = found
  while t < 9:
    t += 1
    state, loss = rows(state, t, bad)
    yield t, {'loss': loss, 'skipped': state['skipped']}
    if t % 4 == 0:
      run.checkpoints.save(t, state)
    run.should_stop(t)
  yield [{'z': float(z[0])} for z in state['z']]


def run(config, run):
  for found in train([config], run):
    if isinstance(found, list):
      return found[0]
    t, rows = found
    run.log(t, **{k: v[0] for k, v in rows.items()})


def run_batch(configs, run):
  for found in train(configs, run):
    if isinstance(found, list):
      return found
    t, rows = found
    run.log(t, **rows)
"""

CONFIG = """
import ml_collections


def get_config():
  config = ml_collections.ConfigDict()
  config.study = 'toy_poison'
  config.seed = 1
  config.all_bad = False
  config.nonfinite = 'stop'
  config.execution = dict(group_size=0, log_every=2)
  return config


def sweep():
  for seed in range(3):
    yield {'seed': seed}
"""


@pytest.fixture
def poisoned(lab):
  lab.write('toy_poison.py', STUDY)
  lab.write('configs/toy/poison.py', CONFIG)
  return lab._replace(config='configs/toy/poison.py')


def found(lab, workdir):
  """The record and the metrics of each point, by seed."""
  return {
    records.read(p / 'config.json')['seed']: (
      run.result(p),
      metrics.read(p / 'metrics.jsonl'),
    )
    for p in (lab.root / workdir / 'runs').iterdir()
  }


REASON = 'loss is nan at step 3.'


def test_stop_ends_a_run_with_its_own_exit_code(poisoned, capfd):
  call = ['run', poisoned.config, '--workdir=w']
  assert poisoned.command(*call) == errors.DIVERGED
  record, rows = found(poisoned, 'w')[1]
  assert (record['status'], record['result']) == (
    'diverged',
    {'reason': REASON},
  )
  assert [row['step'] for row in rows] == [1, 2, 3]
  assert poisoned.command(*call) == errors.DIVERGED  # Not tried again.
  assert 'none to run' in capfd.readouterr().out


def test_in_a_sweep_the_other_points_go_on(poisoned):
  call = ['sweep', poisoned.config, '--workdir=w', '--executor=inline']
  assert poisoned.command(*call) == errors.DONE
  status = {
    seed: one['status'] for seed, (one, _) in found(poisoned, 'w').items()
  }
  assert status == {0: 'done', 1: 'diverged', 2: 'done'}


def test_in_a_batch_the_other_rows_keep_their_bits(poisoned):
  call = ['sweep', poisoned.config, '--executor=vmapped']
  assert poisoned.command(*call, '--workdir=stop') == errors.DONE
  carefree = ['--workdir=continue', '--config.nonfinite=continue']
  assert poisoned.command(*call, *carefree) == errors.DONE
  stopped, continued = found(poisoned, 'stop'), found(poisoned, 'continue')
  for seed in (0, 2):
    assert stopped[seed][0]['result'] == continued[seed][0]['result']
    assert stopped[seed][1] == continued[seed][1]
  record, rows = stopped[1]
  assert (record['status'], record['result']) == (
    'diverged',
    {'reason': REASON},
  )
  assert [row['step'] for row in rows] == [1, 2, 3]
  record, rows = continued[1]
  assert record['status'] == 'done' and math.isnan(record['result']['z'])
  assert len(rows) == 9


def test_skip_is_a_run_without_the_poisoned_updates(poisoned):
  clean = jax.jit(lambda z: z - 0.1 * jax.grad(lambda z: (z**2).sum())(z))
  z = jnp.array([2.0, 2.0])
  for _ in range(7):  # Nine steps, two of them skipped.
    z = clean(z)
  skip = '--config.nonfinite=skip'
  for workdir, call in {
    'alone': ['run', poisoned.config],
    'rows': ['sweep', poisoned.config, '--executor=vmapped'],
  }.items():
    assert poisoned.command(*call, skip, f'--workdir={workdir}') == errors.DONE
    record, rows = found(poisoned, workdir)[1]
    assert record['result'] == {'z': float(z[0])}
    skipped = [row['skipped'] for row in rows]
    assert skipped == [0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert [math.isfinite(row['loss']) for row in rows].count(False) == 2


def make(folder, policy='stop', members=3):
  config = ml_collections.ConfigDict({'study': 's', 'nonfinite': policy}).lock()
  runs = [run.Run(folder / str(i), config) for i in range(members)]
  for one in runs:
    one.start({}, resume=False)
  return runs, batch.BatchRun(folder / 'group', runs, 4)


def losses(*values):
  return jnp.array([*values, jnp.nan])  # The last row is padding.


def test_a_batch_ends_when_all_of_its_members_have_diverged(tmp_path):
  runs, rows = make(tmp_path)
  rows.log(1, loss=losses(1.0, jnp.nan, 1.0))
  rows.flush()
  assert [bool(one.diverged) for one in runs] == [False, True, False]
  rows.log(2, loss=losses(jnp.inf, 1.0, 1.0))
  rows.flush()
  rows.log(3, loss=losses(1.0, 1.0, -jnp.inf))
  with pytest.raises(errors.Diverged, match='loss is inf at step 2'):
    rows.close()
  for one in runs:
    one.finish({'norm': 1.0})
    assert run.result(one.dir)['status'] == 'diverged'


def test_a_row_that_diverged_is_known_after_a_restart(tmp_path):
  state = {'x': jnp.ones(4)}
  _, rows = make(tmp_path)
  rows.log(1, loss=losses(1.0, jnp.inf, 1.0))
  rows.checkpoints.save(1, state)
  rows.close()
  config = ml_collections.ConfigDict({'study': 's', 'nonfinite': 'stop'}).lock()
  again = [run.Run(tmp_path / str(i), config) for i in range(3)]
  rows = batch.BatchRun(tmp_path / 'group', again, 4)
  rows.checkpoints.restore(state)
  assert [one.diverged for one in again] == ['', 'loss is inf at step 1.', '']


def test_nothing_is_saved_of_a_state_that_diverged(tmp_path):
  (one, *_), _ = make(tmp_path)
  one.log(1, train_loss=jnp.nan)
  with pytest.raises(errors.Diverged, match='train_loss is nan at step 1'):
    one.checkpoints.save(1, {'x': jnp.nan * jnp.ones(2)})
  assert not one.checkpoints.steps()


@pytest.mark.parametrize('policy', ['skip', 'continue', None])
def test_other_policies_let_it_pass(tmp_path, policy):
  config = ml_collections.ConfigDict({'study': 's'})
  if policy:
    config.nonfinite = policy
  one = run.Run(tmp_path, config.lock())
  one.start({}, resume=False)
  with contextlib.closing(one):
    one.log(1, loss=jnp.nan)
  assert not one.diverged


def test_the_study_says_which_other_scalars_count(tmp_path):
  (one, other, _), _ = make(tmp_path)
  one.log(1, norm=jnp.nan)
  one.flush()
  other.watch('norm')
  other.log(1, norm=jnp.nan)
  with pytest.raises(errors.Diverged, match='norm is nan'):
    other.flush()


def test_an_unknown_policy_is_a_usage_error(tmp_path):
  with pytest.raises(errors.UsageError, match="'skipp'; did you mean 'skip'"):
    make(tmp_path, 'skipp')
  with pytest.raises(ValueError, match="'skipp'; did you mean 'skip'"):
    nonfinite.keep('skipp')


def test_every_kind_of_leaf_is_kept():
  key = jax.random.key
  new = {'z': jnp.ones(2), 'count': jnp.int32(1), 'key': key(1), 'none': None}
  old = {'z': jnp.zeros(2), 'count': jnp.int32(0), 'key': key(0), 'none': None}
  keep = jax.jit(nonfinite.keep('skip'))
  for value, wanted, skipped in (
    ({'loss': 1.0, 'grad': jnp.zeros(3), 'count': jnp.int32(1)}, new, 0),
    ({'loss': 1.0, 'grad': jnp.array([0.0, jnp.inf, 0.0])}, old, 1),
  ):
    kept = keep(new, old, value)
    assert kept.skipped == skipped
    np.testing.assert_array_equal(kept.state['z'], wanted['z'])
    assert kept.state['count'] == wanted['count']
    assert kept.state['key'] == wanted['key']


@pytest.mark.parametrize('policy', ['stop', 'continue'])
def test_policies_that_take_every_step_add_nothing_to_the_program(policy):
  bare = lambda z: z - jnp.sin(z)
  kept = lambda z: nonfinite.keep(policy)(bare(z), z, z).state
  lower = lambda f: jax.jit(f).lower(jnp.ones(3)).as_text()
  assert lower(bare).partition('@main')[2] == lower(kept).partition('@main')[2]
