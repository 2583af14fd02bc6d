import contextlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from matplotlib import figure

from experiments import connections
from experiments import curve as study
from experiments.figures import paths as figures
from experiments.figures import series
from experiments.tasks import temperature
from paramspace import probes
from paramspace.launch import errors
from paramspace.launch import run as runs


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  kept, make = {}, study.Program

  def program(one):
    key = one.to_json()
    if key not in kept:
      kept[key] = make(one)
    return kept[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(study, 'Program', program)
    yield


def config(**changes):
  """Forty steps for the networks, sixty for the curves."""
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.data = 'digits'
  made.model = dict(name='fc', depth=1, width=16)
  made.held_out = 237
  made.steps = 40
  made.batch_size = 64
  made.learning_rate = 0.01
  made.curve = dict(steps=60, learning_rate=0.05, momentum=0.9, l2=0.0)
  made.points = 3
  made.nonfinite = 'stop'
  made.execution = dict(log_every=30, checkpoint_seconds=1e9)
  made.update_from_flattened_dict(changes)
  return made.lock()


def train(folder, one, stop=lambda step: False):
  made = runs.Run(folder, one, stop)
  made.start({}, resume=bool(made.checkpoints.steps()))
  with contextlib.closing(made):
    return study.run(one, made)


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  return train(tmp_path_factory.mktemp('calm'), config())


def test_a_trained_curve_is_below_the_line_that_it_starts_from(calm):
  assert calm['status'] == 'done'
  middle = {
    way: path['values']['train_loss'][1] for way, path in calm['paths'].items()
  }
  assert middle['bezier'] < middle['line']
  assert middle['polygon'] < middle['line']
  assert middle['line_matched'] < middle['line']


def test_every_way_has_the_same_ends(calm):
  ends = [
    [path['values'][name][k] for name in ('test_loss', 'train_accuracy')]
    for path in calm['paths'].values()
    for k in (0, -1)
  ]
  for first, last in zip(ends[2::2], ends[3::2], strict=True):
    np.testing.assert_allclose([first, last], ends[:2], rtol=1e-5)


def test_what_is_stopped_ends_in_the_bits_of_what_was_not(tmp_path, calm):
  with pytest.raises(errors.Preempted, match='Saved at step 60 of 100'):
    train(tmp_path, config(), stop=lambda now: now == 60)
  assert train(tmp_path, config())['digest'] == calm['digest']


def test_what_the_config_asks_in_vain_is_one_line(tmp_path):
  with pytest.raises(errors.UsageError, match=r'`held_out` must lie.*1400'):
    train(tmp_path, config(held_out=1400))


@pytest.mark.parametrize('scale', [0.02, 0.5, 1.0, 3.0, 40.0])
def test_the_temperature_undoes_a_scale(scale):
  draw = np.random.default_rng(0)
  logits = jnp.asarray(draw.normal(size=(4_000, 5)), jnp.float32)
  chances = np.asarray(jax.nn.softmax(logits), np.float64)
  labels = (draw.random((4_000, 1)) > chances.cumsum(-1)).sum(-1).clip(0, 4)
  fit = jax.jit(temperature.fit)
  true = float(fit(logits, labels))
  assert abs(true - 1) < 0.1
  np.testing.assert_allclose(fit(scale * logits, labels), scale * true, 1e-3)


def test_a_temperature_has_bounds_where_there_is_no_best():
  right, labels = jnp.eye(3) * 2, jnp.arange(3)
  assert float(temperature.fit(right, labels)) < 0.2
  assert float(temperature.fit(-right, labels)) > 100


def test_calibration_changes_no_answer_and_lowers_no_other_loss():
  draw = np.random.default_rng(1)
  logits = {n: jnp.asarray(draw.normal(size=(50, 3)) * 9) for n in ('test',)}
  labels = {'test': draw.integers(3, size=50)}
  both = [{**x, 'held_out': x['test']} for x in (logits, labels)]
  found = jax.jit(temperature.scores)(*both)
  assert found['test_calibrated_loss'] < found['test_loss']
  hits = np.mean(logits['test'].argmax(-1) == labels['test'])
  assert float(found['test_accuracy']) == pytest.approx(hits)


def planted(height):
  """A path that rises by `height` in its middle."""
  t = np.linspace(0, 1, 5)
  hump = height * (1 - np.abs(2 * t - 1))
  names = ('test_loss', 'train_loss', 'test_calibrated_loss')
  values = {name: jnp.asarray(0.5 + hump) for name in names}
  values |= {'temperature': jnp.ones(5), 'test_accuracy': jnp.asarray(1 - hump)}
  return connections.measured(probes.Path(t, values))


def results(widths=(64, 64)):
  return [
    {
      'status': 'done',
      'config': {'model.width': width},
      'result': {
        'paths': {'line': planted(x), 'bezier': planted(0), 'new': planted(0.1)}
      },
    }
    for x, width in zip((0.2, 0.4), widths, strict=True)
  ]


def test_networks_of_two_widths_are_apart():
  found = figures.summary(results(widths=(1, 4)))
  assert found['x1/line/barrier'][0] == pytest.approx(0.2)
  assert found['x4/line/barrier'][0] == pytest.approx(0.4)


def test_the_summary_finds_the_barriers_that_were_planted():
  found = figures.summary(results())
  np.testing.assert_allclose(found['line/barrier'], (0.3, 0.2, 0.4), 1e-6)
  np.testing.assert_allclose(found['line/accuracy_barrier'][0], 0.3, 1e-6)
  np.testing.assert_allclose(found['line/midpoint_accuracy'][0], 0.7, 1e-6)
  np.testing.assert_allclose(found['bezier/midpoint_barrier'], 0, atol=1e-7)
  np.testing.assert_allclose(found['new/ends_loss'][0], 0.5)


def test_the_bounds_of_a_path_are_its_lowest_and_highest_pair():
  (line, *_) = figures.table(results())
  middles = [
    series.split(line[f'test_loss{end}'])[2] for end in ('', '_low', '_high')
  ]
  np.testing.assert_allclose(middles, (0.8, 0.7, 0.9), rtol=1e-4)


def test_new_statistics_are_dashed_in_the_colour_of_their_way():
  found = results()
  for entry in found:
    entry['result']['paths']['new_reset'] = planted(0.2)
  axes = figure.Figure(layout='constrained').subplots()
  whole = axes.figure
  figures.draw(figures.table(found), axes)
  *_, new, reset = whole.axes[0].lines
  assert new.get_color() == reset.get_color()
  assert (new.get_linestyle(), reset.get_linestyle()) == ('-', '--')
  assert reset.get_label() == 'new, statistics reset: 0.20'


def test_draws_a_line_for_each_way_on_each_panel():
  axes = figure.Figure(layout='constrained').subplots()
  whole = axes.figure
  figures.draw(figures.table(results()), axes)
  whole.draw_without_rendering()
  assert [len(panel.lines) for panel in whole.axes] == [3, 3, 3]
  (legend,) = whole.legends
  labels = [text.get_text() for text in legend.get_texts()]
  assert labels == ['line: 0.30', 'Bezier curve: 0.00', 'new: 0.10']
