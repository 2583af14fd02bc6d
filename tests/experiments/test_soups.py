import contextlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from matplotlib import figure

from experiments import soups as study
from experiments import tasks
from experiments.figures import soups as figures
from experiments.soups import _recipes
from experiments.soups import bias_variance
from experiments.training import soups as soups_training
from paramspace.launch import errors
from paramspace.launch import run as runs

MEMBERS = 3
SPLITS = ('validation', 'test', 'rotated_30')


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  kept, make = {}, soups_training.Program

  def program(task, one):
    key = one.to_json()
    if key not in kept:
      kept[key] = make(task, one)
    return kept[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(soups_training, 'Program', program)
    yield


def config(**changes):
  """Two sets of three networks, fine-tuned for two epochs of six steps."""
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.data = 'digits'
  made.model = dict(name='fc', depth=1, width=8)
  made.sets = 2
  made.members = MEMBERS
  made.shared = True
  made.validation = 1237
  made.pretrain = dict(examples=100, epochs=2, learning_rate=0.01)
  made.finetune = dict(
    examples=200,
    epochs=2,
    learning_rates=(0.01, 0.02),
    weight_decays=(0.0, 0.1),
  )
  made.learned_epochs = 1
  made.batch_size = 32
  made.usps = False
  made.degrees = (30,)
  made.nonfinite = 'stop'
  made.execution = dict(log_every=6, checkpoint_seconds=1e9)
  made.update_from_flattened_dict(changes)
  return made.lock()


def train(folder, one, stop=lambda step: False):
  made = runs.Run(folder, one, stop)
  made.start({}, resume=bool(made.checkpoints.steps()))
  with contextlib.closing(made):
    return study.run(one, made)


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """What the config ends with when nothing happens to it."""
  return train(tmp_path_factory.mktemp('calm'), config())


def test_a_greedy_soup_is_never_worse_than_the_best_on_what_is_held_out(calm):
  read = lambda recipe: calm[f'validation/{recipe}/accuracy']
  for recipe in ('greedy', 'diwa'):
    for soup, best in zip(read(recipe), read('best'), strict=True):
      assert soup >= best
  for best, single in zip(read('best'), read('single'), strict=True):
    assert best >= single


def test_the_parts_of_the_error_add_up_on_every_split(calm):
  for split in SPLITS:
    parts = bias_variance.Parts(
      *(calm[f'{split}/{part}'] for part in bias_variance.Parts._fields)
    )
    for recipe, members in ('single', 1), ('ensemble', MEMBERS):
      np.testing.assert_allclose(
        bias_variance.expected_error(parts, members),
        np.mean(calm[f'{split}/{recipe}/error']),
        rtol=1e-5,
      )


def test_fine_tuning_improves_on_the_initialisation(calm):
  read = lambda recipe: calm[f'test/{recipe}/accuracy']
  for tuned, initial in zip(read('single'), read('initial'), strict=True):
    assert tuned > initial + 0.05
  assert calm['status'] == 'done'
  assert calm['D'] == 64 * 8 + 8 + 80 + 10
  assert all(1 <= n <= MEMBERS for n in calm['greedy_size'])


def test_what_is_stopped_ends_in_the_bits_of_what_was_not(calm, tmp_path):
  with pytest.raises(errors.Preempted, match='Saved at step 6 of 12'):
    train(tmp_path, config(), stop=lambda step: step == 6)
  assert train(tmp_path, config()) == calm


def test_members_that_begin_apart_end_farther_from_their_mean(calm, tmp_path):
  apart = train(tmp_path, config(shared=False))
  assert min(apart['locality']) > 2 * max(calm['locality'])


def test_a_member_is_trained_as_it_is_alone():
  one = config()
  task, _ = study._data(one)
  program, row = soups_training.Program(task, one), soups_training.rows(one)
  assert len(set(row.seed.tolist())) == one.sets * one.members
  begin = jax.vmap(task.init)(jax.random.split(jax.random.key(1), 6))
  state, _ = program.train(program.start(begin, row), row, 0, 6, 200)
  alone = jax.tree.map(lambda x: x[4:5], (begin, row))
  state_alone, _ = program.train(program.start(*alone), alone[1], 0, 6, 200)
  for x, y in zip(
    jax.tree.leaves(state.params),
    jax.tree.leaves(state_alone.params),
    strict=True,
  ):
    np.testing.assert_allclose(x[4], y[0], rtol=1e-4, atol=1e-6)


def test_an_ensemble_is_measured_by_the_mean_of_the_answers():
  answers = {0: [[0.9, 0.1], [0.8, 0.2]], 1: [[0.3, 0.7], [0.1, 0.9]]}
  probabilities = lambda params, _: np.stack(
    [np.array(answers[int(w)]) for w in params]
  )
  two, one = jnp.array([0, 1]), jnp.array(0)
  cooked = _recipes.Cooked(dict.fromkeys(_recipes.RECIPES, one), 1, 1)
  found = _recipes.measure(
    probabilities,
    tasks.Split(jnp.zeros(2), jnp.array([0, 1])),
    [_recipes.Models(one[None], two)],
    [cooked],
  )
  assert found['ensemble/accuracy'] == [1.0]
  assert found['single/accuracy'] == [0.5]
  assert found['best/accuracy'] == [0.5]
  errors = 2 * 0.4**2, 2 * 0.45**2
  np.testing.assert_allclose(found['ensemble/error'], [np.mean(errors)])


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'validation': 1400}, '`pretrain.examples` must lie between.*got 100'),
    ({'finetune.examples': 31}, '`finetune.examples` must lie.*got 31'),
  ],
)
def test_too_few_examples_are_one_line(tmp_path, change, message):
  with pytest.raises(errors.UsageError, match=message):
    train(tmp_path, config(**change))


def results(result):
  """What a sweep of both kinds of sets would give."""
  about = {'seed': 0, 'sets': 2, 'members': MEMBERS}
  return [
    {'status': 'done', 'config': {**about, 'shared': shared}, 'result': result}
    for shared in (True, False)
  ]


def test_the_parts_of_a_row_add_up_to_the_error_of_the_uniform_soup(calm):
  rows = figures.table(results(calm))
  assert [row['split'] for row in rows] == [*SPLITS, *SPLITS]
  for row in rows:
    parts = ('bias', 'variance_of_mean', 'covariance_of_mean', 'gap')
    total = sum(row[part] for part in parts)
    np.testing.assert_allclose(total, row['uniform_error'], rtol=1e-5)


def test_gains_are_over_the_best_model_set_by_set(calm):
  summary = figures.summary(results(calm))
  soup, best = (calm[f'test/{r}/accuracy'] for r in ('uniform', 'best'))
  gains = np.subtract(soup, best)
  mean, low, high = summary['uniform_gain_test']
  np.testing.assert_allclose(mean, gains.mean(), atol=1e-6)
  assert gains.min() - 1e-6 <= low <= mean <= high <= gains.max() + 1e-6
  assert summary['uniform_gain_out'] == summary['uniform_gain_rotated_30']
  assert summary['greedy_not_worse'] == 1


def test_draws_the_splits_but_not_what_is_held_out(calm):
  axes = figure.Figure().subplots()
  figures.draw(figures.table(results(calm)), axes)
  axes.figure.draw_without_rendering()
  ticks = [t.get_text() for t in axes.get_xticklabels()]
  assert ticks == ['MNIST', 'turned 30°']
