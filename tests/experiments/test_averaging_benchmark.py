"""What averaging costs, at a size where that says nothing."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import figure

from experiments.benchmarks import averaging as benchmark
from experiments.benchmarks.averaging import methods
from experiments.benchmarks.averaging import update
from experiments.figures import averaging_speed
from paramspace.launch import config as configs
from paramspace.launch import errors

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'benchmarks' / 'averaging.py'


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's averages mix dtypes."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(scope='module')
def results():
  """The sweep at its smallest."""
  module = configs.load(CONFIG)
  found = []
  for overrides in module.sweep('smoke'):
    one = module.get_config('smoke')
    one.update_from_flattened_dict(overrides)
    found.append(
      {
        'status': 'done',
        'config': configs.flatten(one),
        'result': benchmark.run(one.lock(), None),
      }
    )
  return found


@pytest.fixture(scope='module')
def summary(results):
  return averaging_speed.summary(results)


def test_every_method_is_timed_against_a_pass_that_adds(summary):
  names = [*methods.ours(), *methods.by_hand()]
  for name in names:
    for dtype in 'float32', 'bfloat16':
      ratio, low, high = summary[f'update/{name}/{dtype}/20000']
      assert 0 < low <= ratio <= high
  assert summary['step/no average'] == (1, 1, 1)
  assert summary['step/as_optax'][0] > 0
  assert summary['step/update'][0] > 0


def test_a_sum_of_files_is_timed_and_its_memory_measured(summary):
  assert summary['combine'][0] > 0
  assert summary['combine_peak_trees'] > 0


def test_ours_settle_and_those_by_hand_do_not(summary):
  error = lambda name, dtype: summary[f'settling/{name}/{dtype}/0.99']
  for dtype in 'float32', 'bfloat16':
    assert error('ema', dtype) < 2**-24 / 0.01
    assert error('ema, compensated', dtype) < 1e-6
  assert error('optax.incremental_update', 'bfloat16') > 0.1
  assert error('optax.ema', 'bfloat16') > 0.1
  assert error('optax.incremental_update', 'float32') < 1e-5


def test_what_is_timed_is_an_average():
  params = update.parameters(1600, 'float32')
  steps = [jax.tree.map(lambda x, k=k: x + k, params) for k in range(20)]
  made = {**methods.ours(decay=0.9, every=5), **methods.by_hand(decay=0.9)}
  for name, method in made.items():
    state = method.init(params)
    for step in steps:
      state = jax.jit(method.update)(step, state)
    moved = jax.tree.map(jnp.subtract, method.value(state), params)
    shift = np.asarray(moved['w0'])
    np.testing.assert_allclose(shift, shift[0], rtol=1e-4, err_msg=name)
    assert 5 < shift[0] < 19, name


def test_a_part_that_is_not_there_is_an_error():
  one = configs.load(CONFIG).get_config('smoke')
  one.part = 'updates'
  with pytest.raises(errors.UsageError, match="did you mean 'update'"):
    benchmark.run(one, None)


def test_the_figure_draws_the_updates(results):
  axes = figure.Figure().subplots()
  averaging_speed.draw(averaging_speed.table(results), axes)
  axes.figure.draw_without_rendering()
  (legend,) = axes.figure.legends
  *labels, limit = [text.get_text() for text in legend.get_texts()]
  assert labels == [*methods.ours(), *methods.by_hand()]
  assert limit == 'asked for: at most 1.2'
