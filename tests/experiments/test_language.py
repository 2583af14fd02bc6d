"""The language model, its task, and the averages of its training."""

import contextlib
import itertools
import math

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest
from matplotlib import figure

from experiments import language_averages as study
from experiments import models
from experiments.data import text
from experiments.figures import averages_curves
from experiments.tasks import language
from experiments.training import language as language_training
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import run as runs

MODEL = dict(name='gpt', depth=1, width=8, heads=2, context=6, tied=True)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def poem():
  """Adds a text of 1,000 bytes that is easy to learn."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(text._READERS, 'poem', lambda: b'a rose is ' * 100)
    yield


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  with pytest.MonkeyPatch.context() as patch:
    kept, make = {}, study.Program

    def program(task, one):
      key = str(configs.flatten(one))
      if key not in kept:
        kept[key] = make(task, one)
      return kept[key]

    patch.setattr(study, 'Program', program)
    yield


@pytest.fixture(scope='module')
def task():
  return language.make(data='poem', model=MODEL)


@pytest.fixture(scope='module')
def params(task):
  return jax.jit(task.init)(jax.random.key(0))


def size(params):
  return sum(x.size for x in jax.tree.leaves(params))


@pytest.mark.parametrize(
  ('tied', 'expected'), [(True, 254_592), (False, 279_424)]
)
def test_a_gpt_has_so_many_parameters(tied, expected):
  options = dict(depth=2, width=96, heads=4, context=64, tied=tied)
  model = models.make_language('gpt', vocabulary=256, **options)
  tokens = jnp.zeros((1, 64), jnp.int32)
  assert size(jax.eval_shape(model.init, jax.random.key(0), tokens)) == expected


def test_no_token_sees_those_behind_it(task, params):
  apply = jax.jit(task.apply)
  before = jnp.arange(6, dtype=jnp.uint8)[None]
  after = before.at[0, 3].set(77)
  found, other = apply(params, before), apply(params, after)
  np.testing.assert_array_equal(found[:, :3], other[:, :3])
  assert (found[:, 3:] != other[:, 3:]).any(axis=-1).all()


def test_a_token_depends_on_the_order_of_those_before_it(task, params):
  apply = jax.jit(task.apply)
  found, other = (
    apply(params, jnp.array([tokens], jnp.uint8))[0, -1]
    for tokens in ([1, 2, 3], [2, 1, 3])
  )
  assert not np.allclose(found, other)


def test_a_model_that_knows_nothing_has_the_loss_of_all_bytes(task, params):
  silent = jax.tree.map(jnp.zeros_like, params)
  loss = jax.jit(task.loss)(silent, jnp.zeros((2, 7), jnp.uint8))
  np.testing.assert_allclose(loss, math.log(256), rtol=1e-6)


@pytest.mark.parametrize('count', [7, 8, 13, 50])
@pytest.mark.parametrize('batch_size', [1, 4])
def test_every_byte_but_the_first_is_predicted_once(
  task, params, count, batch_size
):
  tokens = task.train[:count]
  evaluate = jax.jit(lambda p, x: language.evaluate(task, p, x, batch_size))
  losses, end = [], 1
  while end < count:  # Windows as whole as they can be, the last one shifted.
    start = min(end - 1, count - 1 - 6)
    window = tokens[None, start : start + 7].astype(jnp.int32)
    of_window = optax.softmax_cross_entropy_with_integer_labels(
      task.apply(params, window[:, :-1]), window[:, 1:]
    )
    losses += of_window[0, end - 1 - start :].tolist()
    end = start + 7
  assert len(losses) == count - 1
  np.testing.assert_allclose(
    evaluate(params, tokens), np.mean(losses), rtol=1e-5
  )


def test_windows_are_a_function_of_seed_and_step():
  options = dict(count=50, context=6, batch=4)
  whole = language.starts(3, 0, 9, **options)
  np.testing.assert_array_equal(whole[4:7], language.starts(3, 4, 7, **options))
  assert (whole != language.starts(4, 0, 9, **options)).any()
  many = language.starts(0, 0, 200, **options)
  assert (many.min(), many.max()) == (0, 43)  # 43 + 6 is the last token.


def test_a_text_without_a_window_is_an_error(task, params):
  message = r'6 tokens .* 7; take a longer text'
  with pytest.raises(ValueError, match=message):
    language.starts(0, 0, 1, count=6, context=6, batch=4)
  with pytest.raises(ValueError, match=message):
    language.evaluate(task, params, task.train[:6])


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'name': 'gtp'}, "No language model 'gtp'; did you mean 'gpt'"),
    ({'heads': 3}, 'multiple of `heads`, got 8 and 3'),
    ({'depth': 0}, '`depth` must be positive, got 0'),
  ],
)
def test_a_model_that_cannot_be_made_is_one_line(changes, message):
  with pytest.raises(ValueError, match=message):
    language.make(data='poem', model=MODEL | changes)


@pytest.mark.parametrize(
  ('schedule', 'last'), [('constant', 1.0), ('linear', 1 / 90)]
)
def test_the_rate_rises_and_is_kept_or_decays(schedule, last):
  options = ml_collections.ConfigDict(dict(warmup=0.1, schedule=schedule))
  shares = language_training.schedule(options, 100)
  np.testing.assert_allclose(shares[:10], np.arange(1, 11) / 10)
  assert (np.diff(shares[10:]) <= 0).all()
  np.testing.assert_allclose(shares[-1], last, rtol=1e-5)


def test_decay_is_on_matrices_alone():
  options = ml_collections.ConfigDict(dict(b2=0.99, weight_decay=0.1, clip=1.0))
  transform = language_training.optimizer(options)
  params = {'w': jnp.ones((2, 2)), 'b': jnp.ones(2)}
  zeros = jax.tree.map(jnp.zeros_like, params)
  updates, _ = transform.update(zeros, transform.init(params), params)
  np.testing.assert_allclose(updates['w'], 0.1)
  np.testing.assert_allclose(updates['b'], 0.0)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'schedule': 'cosine', 'warmup': 0.1}, "`schedule` .* got 'cosine'"),
    ({'schedule': 'linear', 'warmup': 1.0}, r'`warmup` must .* got 1\.0'),
  ],
)
def test_a_schedule_that_is_not_there_is_named(options, message):
  with pytest.raises(ValueError, match=message):
    language_training.schedule(ml_collections.ConfigDict(options), 10)


def config(**changes):
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.data = 'poem'
  made.model = MODEL
  made.steps = 60
  made.batch_size = 8
  made.optimizer = dict(
    learning_rate=0.01,
    schedule='constant',
    warmup=0.1,
    b2=0.99,
    weight_decay=0.1,
    clip=1.0,
  )
  made.evaluations = 4
  made.ema = (0.9,)
  made.power = (0.1,)
  made.lawa = dict(k=3, every=(2,))
  made.nonfinite = 'stop'
  made.execution = dict(log_every=1, checkpoint_seconds=1e9)
  made.update_from_flattened_dict(changes)
  return made.lock()


def train(folder, one=None, stop=lambda step: False):
  """Returns the result and the metrics, as bytes."""
  one = one or config()
  made = runs.Run(folder, one, stop)
  made.start({}, resume=bool(made.checkpoints.steps()))
  with contextlib.closing(made):
    result = study.run(one, made)
  return result, (folder / 'metrics.jsonl').read_bytes()


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  return train(tmp_path_factory.mktemp('calm'))


def test_a_run_learns_and_keeps_every_average(calm):
  result, _ = calm
  names = {'last', 'EMA 0.9', 'power 0.1', 'uniform from half', 'LAWA 3x2'}
  assert result['test_loss'].keys() == names
  assert result['steps'] == [15, 30, 45, 60]
  for name, losses in result['validation_loss'].items():
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    assert name == 'last' or losses != result['validation_loss']['last']
  assert result['test_loss']['last'] < 2.0


def test_before_it_begins_the_uniform_average_is_the_last_iterate(calm):
  curves = calm[0]['validation_loss']
  uniform, last = curves['uniform from half'], curves['last']
  assert uniform[:2] == last[:2]
  assert uniform[2] != last[2]


@pytest.mark.parametrize('logs', [1, 3])
def test_what_is_stopped_ends_in_the_bits_of_what_was_not(tmp_path, calm, logs):
  asked = itertools.count(1)
  with pytest.raises(errors.Preempted, match=r'Saved at step \d+ of 60'):
    train(tmp_path, stop=lambda step: next(asked) == logs)
  assert train(tmp_path) == calm


def test_a_config_that_cannot_be_run_is_one_line(tmp_path):
  with pytest.raises(errors.UsageError, match=r'`decay` .* got 1\.5'):
    train(tmp_path, config(ema=(1.5,)))


def stored(schedule, seed, last, ema, lawa):
  curve = lambda x: [3.0, 2.5, 2.0, x + 0.1, x]
  losses = {'last': last, 'EMA 0.9': ema, 'LAWA 3x2': lawa}
  return {
    'id': f'{schedule}-{seed}',
    'status': 'done',
    'config': {'optimizer.schedule': schedule, 'seed': seed},
    'result': {
      'steps': [1, 2, 3, 4, 5],
      'test_loss': {n: x + 0.05 for n, x in losses.items()},
      'validation_loss': {n: curve(x) for n, x in losses.items()},
    },
  }


STORED = [
  stored('constant', 0, 1.9, 1.8, 1.85),
  stored('constant', 1, 1.92, 1.84, 1.85),
  stored('linear', 0, 1.84, 1.85, 1.86),
  stored('linear', 1, 1.84, 1.85, 1.86),
]


def test_the_summary_compares_the_best_average_by_seed():
  found = averages_curves.summary(STORED)
  np.testing.assert_allclose(found['last_test_loss'][0], 1.96)
  np.testing.assert_allclose(found['best_test_loss'][0], 1.87)  # The EMA.
  np.testing.assert_allclose(found['gain'], (0.09, 0.08, 0.10))
  np.testing.assert_allclose(found['gain_over_decay'][0], 0.02)
  assert found['lawa_leads'] == 1.0


def test_the_drawing_has_the_best_of_each_kind():
  axes = figure.Figure().subplots()
  lost = STORED[0] | {'status': 'diverged', 'result': {}}
  rows = averages_curves.table([*STORED, lost])
  averages_curves.draw(rows, axes)
  axes.figure.draw_without_rendering()
  labels = [t.get_text() for t in axes.get_legend().get_texts()]
  assert labels == [
    'last iterate, constant learning rate: 1.910',
    'last iterate, linear learning rate: 1.840',
    'EMA 0.9: 1.820',
    'LAWA 3x2: 1.850',
  ]
