"""Continual training on a second text, with and without merging."""

import contextlib
import functools

import jax
import ml_collections
import numpy as np
import pytest
from matplotlib import figure

from experiments import branch_and_merge as study
from experiments.data import text
from experiments.figures import forgetting
from experiments.tasks import language
from experiments.training import continual as continual_training
from paramspace.launch import errors
from paramspace.launch import run as runs

TEXTS = {'roses': b'a rose is ' * 100, 'counts': b'0123456789' * 100}
RATES = (0.003, 0.03)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def texts():
  with pytest.MonkeyPatch.context() as patch:
    for name, content in TEXTS.items():
      patch.setitem(text._READERS, name, functools.partial(bytes, content))
    yield


@pytest.fixture(autouse=True, scope='module')
def compiled_once(texts):
  """Keeps the program: to train again is not to compile again."""
  make = continual_training.Program
  with pytest.MonkeyPatch.context() as patch:
    made = functools.cache(lambda: make(*tasks(), config()))
    patch.setattr(continual_training, 'Program', lambda *_: made())
    yield


def config():
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.model = dict(name='gpt', depth=1, width=8, heads=2, context=6, tied=True)
  made.batch_size = 8
  made.first = dict(data='roses', steps=40, learning_rate=0.03, log_every=20)
  made.second = dict(data='counts', steps=16, learning_rates=RATES)
  made.slices = 4
  made.branches = 2
  made.optimizer = dict(
    schedule='linear', warmup=0.1, b2=0.99, weight_decay=0.1, clip=1.0
  )
  made.nonfinite = 'stop'
  made.execution = dict(log_every=1, checkpoint_seconds=1e9)
  return made


def tasks():
  one = config()
  return [
    language.make(data=part.data, model=one.model)
    for part in (one.first, one.second)
  ]


def train(folder, stop=lambda step: False):
  """Returns the result and the metrics, as bytes."""
  one = config().lock()
  made = runs.Run(folder, one, stop)
  made.start({}, resume=bool(made.checkpoints.steps()))
  with contextlib.closing(made):
    result = study.run(one, made)
  return result, (folder / 'metrics.jsonl').read_bytes()


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  return train(tmp_path_factory.mktemp('calm'))


def arms(result, method):
  return [arm for arm in result['arms'] if arm['method'] == method]


def test_every_method_learns_with_every_rate(calm):
  result, _ = calm
  assert len(result['arms']) == 4 * len(RATES)
  assert result['before']['distance'] == 0
  for arm in result['arms']:
    assert arm['second_loss'] < result['before']['second_loss']
    assert arm['distance'] > 0


def test_branches_move_less_than_a_sequence_of_the_same_slices(calm):
  result, _ = calm
  for one, branched in zip(
    arms(result, 'in slices'), arms(result, 'BaM linear'), strict=True
  ):
    assert branched['distance'] < one['distance']


def test_an_arc_moves_further_than_a_line(calm):
  result, _ = calm
  for line, arc in zip(
    arms(result, 'BaM linear'), arms(result, 'BaM slerp'), strict=True
  ):
    assert line['distance'] < arc['distance']


@pytest.mark.parametrize('step', [20, 43])
def test_what_is_stopped_ends_in_the_bits_of_what_was_not(tmp_path, calm, step):
  with pytest.raises(errors.Preempted, match=f'Saved at step {step} of 48'):
    train(tmp_path, stop=lambda now: now == step)
  assert train(tmp_path) == calm


def test_slices_share_text_and_steps():
  found = continual_training.slices(tokens=103, steps=20, count=4)
  assert [part.end for part in found[:-1]] == [p.begin for p in found[1:]]
  assert [part.first for part in found] == [0, 5, 10, 15]
  assert {(part.end - part.begin, part.steps) for part in found} == {(25, 5)}


def test_steps_that_cannot_be_shared_are_an_error():
  with pytest.raises(ValueError, match='3 slices cannot share 20 steps'):
    continual_training.slices(tokens=103, steps=20, count=3)


def test_three_branches_have_no_arc():
  with pytest.raises(ValueError, match=r'`branches` must be 2.* got 3'):
    continual_training.methods(3)


def stored(seed, shift):
  """Sequential training forgets half of what it learns; merging a third."""
  before = {'first_loss': 2.0, 'second_loss': 3.0, 'distance': 0.0}
  arm = lambda method, rate, learning, share: {
    'method': method,
    'learning_rate': rate,
    'first_loss': 2.0 + share * learning + shift,
    'second_loss': 3.0 - learning,
    'distance': 10 * learning,
  }
  found = [
    arm('sequential', 0.1, 0.2, 1 / 2),
    arm('sequential', 0.2, 0.6, 1 / 2),
    arm('BaM linear', 0.1, 0.15, 1 / 3),
    arm('BaM linear', 0.2, 0.3, 1 / 3),
    arm('BaM linear', 0.4, 0.9, 1 / 3),
  ]
  return {
    'id': str(seed),
    'status': 'done',
    'result': {'before': before, 'arms': found},
  }


def test_the_summary_is_of_what_learns_as_much():
  results = [stored(0, 0.0)]
  results[0]['result']['arms'].pop()  # As many rates as there are to compare.
  found = forgetting.summary(results)
  np.testing.assert_allclose(found['BaM linear/learning'][0], 0.625)
  np.testing.assert_allclose(found['BaM linear/distance'][0], 0.625)
  np.testing.assert_allclose(found['BaM linear/forgetting'][0], 0.625 * 2 / 3)
  gaps = [0.15 * (1 / 2 - 1 / 3), 0.3 * (1 / 2 - 1 / 3)]
  np.testing.assert_allclose(
    found['BaM linear/below_frontier'][0], np.mean(gaps)
  )


def test_the_drawing_has_a_line_for_each_method():
  axes = figure.Figure().subplots()
  forgetting.draw(forgetting.table([stored(0, 0.0), stored(1, 0.1)]), axes)
  axes.figure.draw_without_rendering()
  labels = [t.get_text() for t in axes.get_legend().get_texts()]
  assert labels == ['sequential', 'branch and merge, linear']
  sequential, merged = (line.get_xydata() for line in axes.lines)
  np.testing.assert_allclose(merged[:, 0], [0.15, 0.3, 0.9])
  np.testing.assert_allclose(sequential[:, 1], [0.15, 0.35])
  _, bars = axes.containers[0].lines[2]
  (_, low), (_, high) = bars.get_segments()[0]
  np.testing.assert_allclose((low, high), (0.1, 0.2))
