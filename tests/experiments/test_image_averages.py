"""Averages of an image classifier's weights, at the size of a toy."""

import contextlib
import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from matplotlib import figure

from experiments import image_averages as study
from experiments import models
from experiments import tasks
from experiments.figures import swa
from experiments.tasks import pixels
from experiments.training import image as image_training
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import metrics
from paramspace.launch import run as runs

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'averaging' / 'swa_cifar10_cnn.py'
STEPS, START = 44, 33  # Four epochs of eleven; the last is averaged.


def config(**changes):
  """Digits, a network of 510 parameters, every third step averaged."""
  made = configs.load(CONFIG).get_config('smoke')
  made.model.widths = (4, 8)
  made.update_from_flattened_dict(changes)
  return made.lock()


def train(folder, one, stop=lambda step: False):
  """Returns the result and the metrics, as bytes."""
  made = runs.Run(folder, one, stop)
  made.start({}, resume=bool(made.checkpoints.steps()))
  with contextlib.closing(made):
    result = study.run(one, made)
  return result, (folder / 'metrics.jsonl').read_bytes()


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  kept, make = {}, study.Program

  def program(task, one):
    flat = configs.flatten(one).items()
    key = tuple(x for x in flat if not x[0].startswith('execution.'))
    if key not in kept:
      kept[key] = make(task, one)
    return kept[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(study, 'Program', program)
    yield


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """A run to which nothing happens, with an evaluation every five steps."""
  folder = tmp_path_factory.mktemp('calm')
  every_five = config(**{'execution.log_every': 5})
  return *train(folder, every_five), folder


@pytest.fixture(scope='module')
def program():
  one = config()
  task = tasks.make_normalized(data=one.data, model=one.model)
  return study.Program(task, one)


def test_a_run_that_is_stopped_ends_with_the_same_bits(tmp_path, calm):
  one = config(**{'execution.log_every': 5})
  with pytest.raises(errors.Preempted):  # Between two samples.
    train(tmp_path, one, stop=lambda step: step >= 38)
  assert train(tmp_path, one) == calm[:2]


def test_a_run_says_what_all_kinds_of_statistics_do(calm):
  result, _, folder = calm
  assert result['status'] == 'done'
  assert result['averaged'] == 3  # Of the steps 36, 39 and 42.
  assert result['epochs'] == [38 / 11, 43 / 11, 4.0]
  for name, curve in result['curves'].items():
    assert len(curve) == 3
    assert curve[-1] == pytest.approx(result[f'{name}_accuracy'])
  assert {
    f'{kind}_{what}'
    for kind in swa.KINDS
    for what in tasks.Evaluation(0, 0)._asdict()
  } <= result.keys()
  rows = metrics.read(folder / 'metrics.jsonl')
  averaged = [row['step'] for row in rows if 'averaged_accuracy' in row]
  assert averaged == [38, 43, 44]
  assert all('last_accuracy' in row for row in rows)


def test_weights_and_statistics_are_averaged_alike(program):
  state, sampled = program.start(1), []
  for step in range(STEPS):
    state, _ = program.train(state, step, step + 1)
    if step + 1 > START and (step + 1 - START) % 3 == 0:
      sampled.append(jax.tree.map(np.asarray, state.fit.variables))
  assert len(sampled) == 3
  expected = jax.tree.map(lambda *x: np.mean(x, axis=0), *sampled)
  found = program.along(state)
  chex.assert_trees_all_close(found['averaged'], expected, rtol=1e-5, atol=1e-6)
  chex.assert_trees_all_equal(found['last'], state.fit.variables)
  chex.assert_trees_all_equal(
    found['copied'],
    tasks.Variables(found['averaged'].params, found['last'].stats),
  )
  chex.assert_trees_all_equal(found['few'].params, found['averaged'].params)


def test_statistics_are_estimated_over_an_epoch_of_the_weights_given(program):
  state, _ = program.train(program.start(1), 0, STEPS)
  found = {**program.along(state), **program.at_end(state)}
  task, key = program._task, state.key
  scale = pixels.standardize(np.asarray(task.train.images))
  convolution = nn.Conv(4, (3, 3), use_bias=False)

  def moments(variables, batches):
    batches = [program._read(key, *b, task.train)[0] for b in batches]
    kernel = {'params': variables.params['Conv_0']}
    x = convolution.apply(kernel, scale(jnp.concatenate(batches)))
    x = np.asarray(models.max_pool(x), np.float64)
    return x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))

  for name, steps in ('pooled', 11), ('last_pooled', 11), ('few', 2):
    seen = program._batches(STEPS, STEPS + steps)
    stats = found[name].stats['BatchNorm_0']
    mean, var = moments(found[name], seen)
    np.testing.assert_allclose(stats['mean'], mean, atol=1e-5)
    np.testing.assert_allclose(stats['var'], var, rtol=1e-4)
  # All images vary more than those within a batch.
  pooled, mean = (found[n].stats['BatchNorm_0'] for n in ('pooled', 'mean'))
  assert (pooled['var'] > mean['var']).all()


def test_the_learning_rate_of_an_average_stays_high():
  options = config().optimizer
  rate = image_training.learning_rate(options, steps=100, start=75)
  at = {0: 0.0, 10: 0.1, 50: 0.1, 75: 0.05, 100: 0.05, 5: 0.05, 65: 0.07}
  for step, expected in at.items():
    np.testing.assert_allclose(rate(step), expected, rtol=1e-5, atol=1e-8)


def test_the_learning_rate_of_the_control_goes_to_zero():
  options = config(**{'optimizer.schedule': 'linear'}).optimizer
  rate = jax.jit(image_training.learning_rate(options, steps=100, start=75))
  for step, expected in {0: 0.0, 10: 0.1, 55: 0.05, 100: 0.0}.items():
    np.testing.assert_allclose(rate(step), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'optimizer.schedule': 'cosine'}, "`schedule` is one of .* 'cosine'"),
    ({'optimizer.warmup': 0.6}, 'of 44 steps, they are at 26.4 and 33'),
    ({'average.start': 0.3}, 'of 44 steps, they are at 4.4 and 13'),
    ({'average.every': 0}, '`every` must be an integer of at least 1'),
    ({'model.name': 'cmm'}, "No model with batch norm 'cmm'"),
  ],
)
def test_a_wrong_config_is_an_error_before_the_first_step(changes, message):
  with pytest.raises(errors.UsageError, match=message):
    study.run(config(**changes), None)


def results(calm):
  """Two seeds of both schedules, made of one result."""
  for schedule, shift in ('constant', 0.0), ('linear', -0.1):
    for seed in range(2):
      moved = {
        name: value + shift + 0.01 * seed if 'accuracy' in name else value
        for name, value in calm[0].items()
      }
      yield {
        'status': 'done',
        'config': {
          'data': 'digits',
          'optimizer.schedule': schedule,
          'seed': seed,
        },
        'result': moved | {'pooled_accuracy': 0.5 + 0.02 * seed},
      }


def test_the_figure_has_a_row_for_each_kind_and_its_gain(calm):
  rows = swa.table(results(calm))
  assert [row['kind'] for row in rows] == [*swa.KINDS] * 2
  last = calm[0]['last_accuracy']
  found = swa.summary(results(calm))
  np.testing.assert_allclose(found['constant_last_accuracy'][0], last + 0.005)
  value, low, high = found['constant_pooled_gain']
  np.testing.assert_allclose(value, 0.505 - last)
  assert low <= value <= high
  np.testing.assert_allclose(found['gain_over_linear'][0], 0.605 - last)


def test_the_figure_draws_the_kinds_and_the_control(calm):
  axes = figure.Figure(layout='constrained').subplots()
  whole = axes.figure
  swa.draw(swa.table(results(calm)), axes)
  whole.draw_without_rendering()
  (legend,) = whole.legends
  labels = [text.get_text() for text in legend.get_texts()]
  assert len(labels) == len(study.ALONG) + 1
  assert labels[-1] == 'last; linear rate to zero'
  ends = [text.get_text() for text in whole.axes[1].get_yticklabels()]
  assert len(ends) == len(swa.KINDS) + 1 and set(labels) < set(ends)
