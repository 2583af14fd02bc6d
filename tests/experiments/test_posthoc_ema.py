"""The study of widths that are chosen after the training."""

import pathlib

import numpy as np
import pytest
from matplotlib import figure

from experiments import posthoc_ema as study
from experiments.figures import posthoc_ema as drawn
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import run as runs

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'averaging' / 'posthoc_ema_fashion_fc.py'
STEPS = 2 * (1437 // 32)


def config():
  one = configs.load(CONFIG).get_config('smoke')
  one.model.width = 32
  one.optimizer.learning_rate = 0.1
  one.snapshots, one.counts = 8, (4, 8)
  one.targets = (0.03, 0.05, 0.10, 0.15)
  one.tracked = (0.03, 0.15)
  one.execution.log_every = 40
  return one


def train(folder, stop=lambda step: False):
  folder.mkdir(exist_ok=True)
  run = runs.Run(folder, config(), stop)
  try:
    return study.run(run.config, run)
  finally:
    run.close()


@pytest.fixture(scope='module')
def result(tmp_path_factory):
  return train(tmp_path_factory.mktemp('calm') / 'a')


def test_a_reconstruction_is_the_average_that_was_tracked(result):
  errors = np.array(result['tracked_error'])  # [width, count]
  assert (np.diff(errors, axis=1) < 0).all()
  assert (errors[:, -1] < 1e-2).all() and (errors > 0).all()
  np.testing.assert_allclose(
    [result['posthoc_loss'][i] for i in (0, 3)],
    result['tracked_loss'],
    rtol=2e-2,
  )


def test_the_sources_themselves_are_found_again(result):
  np.testing.assert_allclose(result['posthoc_residual'][1:3], 0, atol=1e-6)
  np.testing.assert_allclose(result['posthoc_l1'][1:3], 1, atol=1e-6)


def test_an_average_is_better_than_the_last_iterate(result):
  assert min(result['posthoc_loss']) < result['test_loss'] - 0.01


def test_a_run_that_is_stopped_goes_on_to_the_same_numbers(result, tmp_path):
  with pytest.raises(errors.Preempted, match=f'at step 55 of {STEPS}'):
    train(tmp_path / 'a', stop=lambda now: now == 55)
  assert train(tmp_path / 'a') == result


def entries(result):
  flat = configs.flatten(config())
  return [
    {'id': str(i), 'status': 'done', 'config': flat | {'seed': i}, 'result': r}
    for i, r in enumerate((result, result))
  ]


def test_the_figure_tells_the_width_the_gain_and_the_errors(result):
  summary = drawn.summary(entries(result))
  losses = dict(
    zip((0.03, 0.05, 0.1, 0.15), result['posthoc_loss'], strict=True)
  )
  best = min(losses, key=losses.get)
  assert summary['best_sigma_rel'] == best
  assert summary['gain'][0] == pytest.approx(result['test_loss'] - losses[best])
  assert summary['rise_wide'][0] == pytest.approx(losses[0.15] - losses[best])
  assert summary['error_8/0.15'] == pytest.approx(result['tracked_error'][1][1])


def test_the_figure_draws_every_width(result):
  rows = drawn.table(entries(result))
  assert [row['sigma_rel'] for row in rows] == [0.0, 0.03, 0.05, 0.1, 0.15]
  axes = figure.Figure().subplots()
  drawn.draw(rows, axes)
  axes.figure.draw_without_rendering()
  np.testing.assert_allclose(axes.lines[0].get_ydata(), result['posthoc_loss'])
