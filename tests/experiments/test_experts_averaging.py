import contextlib

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from matplotlib import figure

from experiments import experts_averaging as study
from experiments import models
from experiments.figures import experts_averaging as figures
from experiments.models import _vit
from experiments.training import experts as experts_training
from paramspace import averaging
from paramspace.launch import batch as batches
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import run as runs


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  kept, make = {}, experts_training.Program

  def program(task, config, each=None):
    flat = configs.flatten(config).items()
    fixed = tuple(item for item in flat if item[0] not in study.VMAPPABLE)
    key = fixed, each.__self__.size if each else 1
    if key not in kept:
      kept[key] = make(task, config, *([each] if each else []))
    return kept[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(experts_training, 'Program', program)
    yield


VIT = dict(name='vit', patch=4, width=8, depth=1, heads=2, hidden=16)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


def config(**changes):
  """Two epochs of six steps."""
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.data = 'digits'
  made.train_examples = 200
  made.model = dict(VIT)
  made.experts = 2
  made.equal = True
  made.share_rate = 0.1
  made.epochs = 2
  made.batch_size = 32
  made.optimizer = dict(
    name='adamw', learning_rate=0.01, weight_decay=0.05, warmup=0.1
  )
  made.nonfinite = 'stop'
  made.execution = dict(log_every=6, checkpoint_seconds=1e9, group_size=0)
  made.update_from_flattened_dict(changes)
  return made.lock()


ROWS = [config(share_rate=0.0), config(share_rate=1.0), config(seed=1)]


def train(folder, stop=lambda step: False):
  """Returns the results of `ROWS` as the rows of a batch."""
  members = [runs.Run(folder / str(i), c) for i, c in enumerate(ROWS)]
  group = batches.BatchRun(folder / 'group', members, len(ROWS), stop)
  for one in members:
    one.start({}, resume=bool(group.checkpoints.steps()))
  with contextlib.closing(group):
    return study.run_batch(ROWS, group)


def train_alone(folder, one):
  made = runs.Run(folder, one)
  made.start({}, resume=False)
  with contextlib.closing(made):
    return study.run(one, made)


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """What `ROWS` end with when nothing happens to them."""
  return train(tmp_path_factory.mktemp('calm'))


def network(experts):
  model = models.make(classes=10, **VIT, experts=experts)
  images = jax.random.normal(jax.random.key(1), (3, 8, 8, 1))
  rngs = {'params': jax.random.key(0), models.EXPERTS_RNG: jax.random.key(2)}
  return model, jax.jit(model.init)(rngs, images), images


def test_equal_experts_are_the_network_that_they_collapse_into():
  model, params, images = network(experts=4)
  plain = models.make(classes=10, **VIT)
  found = jax.jit(model.apply)(
    params, images, rngs={models.EXPERTS_RNG: jax.random.key(3)}
  )
  collapsed = averaging.collapse_experts(params, experts_training.EXPERTS)
  alike = jax.eval_shape(plain.init, jax.random.key(0), images)
  chex.assert_trees_all_equal_shapes_and_dtypes(collapsed, alike)
  chex.assert_trees_all_close(
    found, jax.jit(plain.apply)(collapsed, images), atol=1e-5
  )


def test_every_expert_has_its_equal_part_of_the_tokens():
  ffn = _vit.FFN(hidden=4, experts=3)
  tokens = jnp.zeros((2, 6, 5))
  rngs = {'params': jax.random.key(0), models.EXPERTS_RNG: jax.random.key(1)}
  params = jax.jit(ffn.init)(rngs, tokens)
  bias = jnp.arange(3.0)[:, None, None] * jnp.ones((3, 1, 5))
  params['params']['down_bias'] = bias  # Says which expert a token went to.
  deal = jax.jit(
    lambda key: ffn.apply(params, tokens, rngs={models.EXPERTS_RNG: key})
  )
  dealt = [deal(jax.random.key(k)).reshape(12, 5) for k in (2, 3)]
  for went in dealt:
    assert (went == went[:, :1]).all()
    assert np.bincount(went[:, 0].astype(int)).tolist() == [4, 4, 4]
  assert (dealt[0] != dealt[1]).any()


def test_experts_that_are_drawn_apart_are_each_drawn_as_one_is():
  ffn = _vit.FFN(hidden=300, experts=3, equal=False)
  rngs = {'params': jax.random.key(0), models.EXPERTS_RNG: jax.random.key(1)}
  params = jax.jit(ffn.init)(rngs, jnp.zeros((1, 3, 200)))['params']
  one, two, three = params['up_kernel']
  assert (one != two).any() and (two != three).any()
  for kernel in (one, two, three):
    np.testing.assert_allclose(kernel.std(), 200**-0.5, rtol=0.02)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'patch': 3}, 'Patches of 3x3 do not tile 8x8 pixels'),
    ({'heads': 3}, '`width` must be a multiple of `heads` = 3, got 8'),
    ({'depth': 0}, '`depth` must be positive, got 0'),
    ({'experts': -1}, '`experts` must not be negative, got -1'),
  ],
)
def test_says_which_size_is_wrong(change, message):
  with pytest.raises(ValueError, match=message):
    model = models.make(classes=10, **{**VIT, **change})
    model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))


def test_a_full_pull_leaves_one_expert_and_none_leaves_many(calm):
  apart, one, _ = calm
  assert one['spread'] < 1e-6
  assert one['routed_accuracy'] == one['test_accuracy']
  assert apart['spread'] > 0.01
  assert apart['routed_loss'] != apart['test_loss']


def test_a_row_of_a_batch_is_what_it_is_alone(calm, tmp_path):
  alone = train_alone(tmp_path, ROWS[2])
  assert alone['status'] == calm[2]['status'] == 'done'
  assert alone['D'] == calm[2]['D']
  np.testing.assert_allclose(
    alone['test_loss'], calm[2]['test_loss'], rtol=1e-3
  )


def test_a_network_without_experts_has_the_same_size_at_inference(
  calm, tmp_path
):
  plain = train_alone(tmp_path, config(experts=0))
  assert plain['D'] == calm[0]['D']
  assert plain['routed_loss'] == plain['test_loss']
  assert plain['spread'] == 0


def test_what_is_stopped_ends_in_the_bits_of_what_was_not(calm, tmp_path):
  with pytest.raises(errors.Preempted, match='Saved at step 6 of 12'):
    train(tmp_path, stop=lambda step: step == 6)
  assert train(tmp_path) == calm


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'share_rate': 1.5}, r'`share_rate` must lie in \[0, 1\], got 1.5'),
    ({'experts': 3}, '128 tokens have no 3 equal parts'),
    ({'train_examples': 10}, '`train_examples` must lie between.*got 10'),
    ({'model.name': 'vitt'}, "No model 'vitt'; did you mean 'vit'"),
  ],
)
def test_a_wrong_config_is_one_line(tmp_path, change, message):
  with pytest.raises(errors.UsageError, match=message):
    train_alone(tmp_path, config(**change))


def result(accuracy, seed, experts=4, rate=0.1, status='done'):
  return {
    'status': status,
    'config': {
      'data': 'digits',
      'seed': seed,
      'experts': experts,
      'equal': True,
      'share_rate': rate,
    },
    'result': {
      'test_accuracy': accuracy,
      'test_loss': 1 - accuracy,
      'routed_accuracy': accuracy - 0.01,
      'spread': 0.1,
    },
  }


RESULTS = [
  *(result(0.90 + 0.01 * s, s, experts=0) for s in range(3)),
  *(result(0.92 + 0.01 * s, s) for s in range(3)),
  result(0.0, 3, status='diverged'),
]


def test_gains_are_taken_seed_by_seed():
  plain, experts = figures.table(RESULTS)
  assert (plain['training'], plain['n'], plain['gain']) == ('plain', 3, 0)
  assert (experts['training'], experts['n']) == ('equal, share rate 0.1', 3)
  assert experts['diverged'] == 1
  assert experts['gain'] == pytest.approx(0.02)
  summary = figures.summary(RESULTS)
  assert summary['equal_share_rate_0.1_gain'] == pytest.approx(
    (0.02, 0.02, 0.02)
  )
  assert summary['equal_share_rate_0.1_loss_gain'][0] == pytest.approx(0.02)


def test_draws_results_and_what_diverged():
  lost = [result(0.0, 0, rate=0.5, status='diverged')]
  rows = figures.table([*RESULTS, *lost])
  axes = figure.Figure().subplots()
  figures.draw(rows, axes)
  axes.figure.draw_without_rendering()
  ticks = [t.get_text() for t in axes.get_xticklabels()]
  assert ticks == ['plain', 'equal,\n0.1', 'equal,\n0.5']
  assert np.isnan(figures.summary(lost)['equal_share_rate_0.5_gain'][0])


def test_two_results_of_one_kind_are_an_error():
  with pytest.raises(ValueError, match='Two results for plain, seed 0'):
    figures.table([RESULTS[0], RESULTS[0]])
