import contextlib
import pathlib

import jax
import numpy as np
import pytest
from matplotlib import figure
from scipy import special

from experiments.figures import mode_connectivity as figures
from experiments.figures import mode_connectivity_depth
from experiments.figures import mode_connectivity_three
from experiments.figures import mode_connectivity_width
from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import training
from experiments.tasks import temperature
from paramspace import symmetry
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import run as runs
from paramspace.launch import study as studies

ROOT = pathlib.Path(__file__).parents[2] / 'configs' / 'matching'
TINY = {
  'model.depth': 2,
  'model.width': 8,
  'training.epochs': 4,
  'training.learning_rate': 0.01,
  'steps': 5,
  'examples.test': 1_000,  # More than there are: all.
}


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """Where all tests find the networks that one has trained."""
  return tmp_path_factory.mktemp('networks')


@pytest.fixture(scope='module')
def measured(workdir):
  """Runs a point of a config, smaller, and returns what a figure gets."""

  def measure(name='mnist_mlp', **changes):
    config = configs.load(ROOT / f'{name}.py').get_config('smoke').lock()
    point = points.point(configs.override(config, TINY | changes))
    run = runs.Run(runs.directory(workdir, point), point.config)
    result = studies.load(config.study).run(point.config, run)
    return {'config': dict(point.flat), 'status': 'done', 'result': result}

  return measure


@pytest.fixture(scope='module')
def plain(measured):
  """A pair that is not permuted."""
  return measured(method='none')['result']


@pytest.fixture(scope='module')
def network():
  config = configs.load(ROOT / 'mnist_mlp.py').get_config('smoke').lock()
  return _networks.make(configs.override(config, TINY))


@pytest.fixture
def params(network):
  return network.task.init(jax.random.key(3))


def drawn(module, results):
  axes = figure.Figure(layout='constrained').subplots()
  whole, rows = axes.figure, module.table(results)
  module.draw(rows, axes)
  whole.draw_without_rendering()
  return rows, whole


def test_the_layers_are_those_of_the_network(network, params):
  images = network.task.test.images[:7]
  x = np.asarray(images).reshape(7, -1) / np.float32(255)
  found, hidden = (
    f(params, images) for f in (network.preactivations, network.hidden)
  )
  assert network.sites == ('params/Dense_0', 'params/Dense_1')
  for name in ('Dense_0', 'Dense_1'):
    layer = params['params'][name]
    y = x @ layer['kernel'] + layer['bias'][None]
    np.testing.assert_allclose(found[f'params/{name}'], y, 1e-4, 1e-5)
    x = np.maximum(y, 0)
    np.testing.assert_allclose(hidden[f'params/{name}/kernel:1'], x, 1e-4, 1e-5)


def test_what_moves_parameters_moves_their_activations(network, params):
  images = network.task.test.images[:7]
  element = symmetry.random(jax.random.key(0), network.spec)
  moved = symmetry.act(network.spec, element, params)
  before, after = (network.hidden(x, images) for x in (params, moved))
  for group, order in element.items():
    np.testing.assert_allclose(after[group], before[group][:, order], 1e-4)


def test_a_temperature_is_where_the_slope_of_the_loss_is_0():
  key_z, key_y = jax.random.split(jax.random.key(0))
  z = 3 * jax.random.normal(key_z, (500, 4))
  y = jax.random.categorical(key_y, z / 2)  # So that T is near 2.
  fit = jax.jit(temperature.fit)
  found = float(fit(z, y))
  assert 1.5 < found < 2.6
  p = special.softmax(np.asarray(z) / found, axis=1)
  slope = (p * z).sum(1) - np.asarray(z)[np.arange(500), y]
  np.testing.assert_allclose(slope.mean(), 0, atol=1e-4)
  np.testing.assert_allclose(fit(5 * z, y), 5 * found, 1e-4)


def test_calibration_makes_the_held_out_loss_no_larger(network, params):
  splits = dict.fromkeys(('train', 'held_out', 'test'), network.held_out)
  found = network.metric(params, splits)
  assert found['test_calibrated_loss'] <= found['test_loss']
  loss, accuracy = network.evaluate(params, network.held_out)
  np.testing.assert_allclose(found['test_loss'], loss, 1e-5)
  np.testing.assert_allclose(found['test_accuracy'], accuracy, 1e-5)


def test_the_ends_of_the_line_are_the_networks(plain, workdir):
  assert plain['status'] == 'done'
  assert plain['distance'] == plain['distance_before'] > 0
  config = configs.load(ROOT / 'mnist_mlp.py').get_config('smoke').lock()
  config = configs.override(config, TINY)
  for seed, end in ((0, 0), (1, -1)):
    point = points.point(training.point(config, seed))
    kept = runs.result(runs.directory(workdir, point))['result']
    for name in ('test_loss', 'test_accuracy'):
      np.testing.assert_allclose(
        plain['values'][name][end], kept[name], rtol=1e-5
      )


def test_the_barriers_are_those_of_the_curves(plain):
  t = np.array(plain['t'])
  for name, x in plain['values'].items():
    if name == 'temperature':
      assert all(name not in found for found in plain['barriers'].values())
      continue
    x = -np.array(x) if name.endswith('accuracy') else np.array(x)
    chord, mean = (1 - t) * x[0] + t * x[-1], (x[0] + x[-1]) / 2
    want = {
      'chord': max(x - chord),
      'mean': max(x) - mean,
      'ends': max(x) - max(x[0], x[-1]),
      'midpoint': x[2] - mean,
    }
    found = {kind: plain['barriers'][kind][name] for kind in want}
    for kind in want:
      np.testing.assert_allclose(found[kind], want[kind], atol=1e-6)


@pytest.mark.parametrize(
  'method',
  [
    'weight_matching',
    'activation_matching',
    'straight_through',
    'frank_wolfe',
  ],
)
def test_what_is_matched_is_the_same_network_nearer(measured, plain, method):
  found = measured(method=method)['result']
  assert found['distance'] < found['distance_before']
  for end in (0, -1):
    for name, values in found['values'].items():
      np.testing.assert_allclose(
        values[end], plain['values'][name][end], rtol=1e-4, atol=1e-6
      )


def test_a_line_that_does_not_move_needs_no_reset(network, params):
  config = configs.load(ROOT / 'mnist_mlp.py').get_config('smoke').lock()
  config = configs.override(config, TINY | {'repair': True, 'steps': 3})
  path = _paths.line(config, network, params, params)
  for values in path.values.values():
    np.testing.assert_allclose(values, values[0], rtol=1e-4)


def test_a_reset_changes_what_is_between_and_not_the_ends(measured, plain):
  found = measured(method='none', repair=True)['result']
  for name in ('test_loss', 'train_loss'):
    before, after = plain['values'][name], found['values'][name]
    np.testing.assert_allclose(
      [after[0], after[-1]], [before[0], before[-1]], rtol=1e-4
    )
    assert abs(after[2] - before[2]) > 1e-3


def test_the_edges_of_the_triangle_are_the_lines(measured):
  found = measured('mnist_mlp_three', method='weight_matching')
  result = found['result']
  line, edge = result['barriers']['midpoint'], result['edges']['bc']
  for name in line:
    np.testing.assert_allclose(edge[name], line[name], atol=1e-5)
  plain = measured('mnist_mlp_three', method='none')
  for pair in ('ab', 'ac'):
    before, after = (x['result']['r']['0'][pair] for x in (plain, found))
    assert after > before
  reset = measured('mnist_mlp_three', method='none', repair=True)
  rows, whole = drawn(mode_connectivity_three, [reset, found, plain])
  assert [row['way'] for row in rows] == [
    'none',
    'none+reset',
    'weight_matching',
  ]
  assert len(whole.axes) == 2 + 1 + 2  # Triangles, the colours, and bars.
  summary = mode_connectivity_three.summary([reset, found, plain])
  value, low, high = summary['weight_matching/bc_loss']
  assert low == value == high == pytest.approx(line['test_loss'])


@pytest.mark.parametrize(
  ('name', 'changes', 'message'),
  [
    ('mnist_mlp', {'method': 'weight'}, "No method 'weight'"),
    ('mnist_mlp', {'steps': 4}, '`steps` must be odd.*got 4'),
    ('mnist_mlp', {'models': (0, 1, 2)}, r'two seeds, got \(0, 1, 2\)'),
    ('mnist_mlp', {'held_out': 1437}, 'between 1 and 1436, got 1437'),
    ('mnist_mlp_three', {'models': (0, 1)}, r'three seeds, got \(0, 1\)'),
    ('mnist_mlp_three', {'simplex_steps': 2}, '`simplex_steps` must be odd'),
  ],
)
def test_what_the_config_asks_in_vain_is_one_line(
  measured, name, changes, message
):
  with pytest.raises(errors.UsageError, match=message):
    measured(name, **changes)


def test_what_is_stopped_ends_in_the_bits_of_what_was_not(tmp_path):
  config = configs.load(ROOT / 'mnist_mlp.py').get_config('smoke').lock()
  one = training.point(configs.override(config, TINY), seed=0).lock()

  def train(folder, stop=lambda step: False):
    made = runs.Run(folder, one, stop)
    made.start({}, resume=bool(made.checkpoints.steps()))
    with contextlib.closing(made):
      return training.run(one, made)

  with pytest.raises(errors.Preempted, match='Saved at step 26 of 52'):
    train(tmp_path / 'stopped', lambda step: step == 26)
  found = train(tmp_path / 'stopped')
  assert found == train(tmp_path / 'calm') and found['test_accuracy'] > 0.5


@pytest.mark.parametrize('scale', configs.SCALES)
def test_studies_share_the_networks_of_one_shape(scale):
  def trained(name):
    module = configs.load(ROOT / f'{name}.py')
    base, found = module.get_config(scale).lock(), {}
    for changes in module.sweep(scale):
      config = configs.override(base, changes)
      for seed in config.models:
        shape = config.model.depth, config.model.width, seed
        found[shape] = points.point(training.point(config, seed)).id
    return found

  names = ('mnist_mlp', 'mnist_mlp_width', 'mnist_mlp_depth')
  first, width, depth, trio = map(trained, (*names, 'mnist_mlp_three'))
  assert first.items() <= width.items()
  assert first.items() <= trio.items()
  shared = width.keys() & depth.keys()
  assert {width[k] for k in shared} == {depth[k] for k in shared} != set()


def planted(depth, width, method, repair, height, pair):
  """A straight rise to the midpoint, `height` above ends at 0.1."""
  curve = [0.1, 0.1 + height, 0.1]
  metrics = [f'{s}_{m}' for s in ('train', 'test') for m in figures.METRICS]
  return {
    'status': 'done',
    'config': {
      'model.depth': depth,
      'model.width': width,
      'method': method,
      'repair': repair,
      'models': (2 * pair, 2 * pair + 1),
    },
    'result': {
      't': [0.0, 0.5, 1.0],
      'values': dict.fromkeys([*metrics, 'temperature'], curve),
      'barriers': {k: dict.fromkeys(metrics, height) for k in figures.KINDS},
      'distance_before': 10.0,
      'distance': 8.0,
    },
  }


RESULTS = [
  planted(depth, width, method, repair, height + 0.01 * pair, pair)
  for depth, width in ((1, 8), (3, 16))
  for method, repair, height in (
    ('weight_matching', False, 0.2),
    ('none', True, 0.6),
    ('none', False, 0.7),
  )
  for pair in range(3)
]


def test_the_table_has_the_means_over_pairs():
  rows = figures.table([{'status': 'diverged'}, *RESULTS])
  assert [(row['depth'], row['way'], row['n']) for row in rows[:4]] == [
    (1, 'none', 3),
    (1, 'none+reset', 3),
    (1, 'weight_matching', 3),
    (3, 'none', 3),
  ]
  np.testing.assert_allclose(rows[2]['test_loss_chord'], 0.21)
  np.testing.assert_allclose(rows[2]['test_accuracy_middle'], 0.31)
  np.testing.assert_allclose(rows[2]['distance_ratio'], 0.8)
  assert rows[2]['test_loss_curve_low'] == '0.1 0.3 0.1'
  assert rows[2]['test_loss_curve_high'] == '0.1 0.32 0.1'
  summary = figures.summary(RESULTS)
  np.testing.assert_allclose(
    summary['3x16/none+reset/calibrated_loss'], (0.61, 0.6, 0.62)
  )
  np.testing.assert_allclose(summary['1x8'], 0.1)


def test_every_way_has_a_line_in_each_panel():
  ways = 3
  _, whole = drawn(figures, RESULTS[:9])
  assert [len(place.lines) for place in whole.axes] == [ways] * 3
  (legend,) = whole.legends
  assert 'not permuted, statistics reset' in [
    text.get_text() for text in legend.get_texts()
  ]
  _, whole = drawn(mode_connectivity_width, RESULTS)
  assert [len(place.lines) for place in whole.axes] == [ways] * 3
  # And REPAIR's three.
  _, whole = drawn(mode_connectivity_depth, RESULTS)
  accuracies, errors_there = whole.axes
  assert len(accuracies.lines) == len(errors_there.lines) == ways + 3
  for right, wrong in zip(accuracies.lines, errors_there.lines, strict=True):
    np.testing.assert_allclose(right.get_ydata() + wrong.get_ydata(), 1)
