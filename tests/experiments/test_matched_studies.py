import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import figure

from experiments.figures import loss_plane
from experiments.figures import matched_difference
from experiments.figures import matched_merging
from experiments.figures import singular_alignment
from experiments.mode_connectivity import _bend
from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _shares
from experiments.mode_connectivity import alignment
from experiments.mode_connectivity import merging
from experiments.mode_connectivity import parted
from paramspace import matching
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

  def measure(name, **changes):
    config = configs.load(ROOT / f'mnist_mlp_{name}.py').get_config('smoke')
    one = points.point(configs.override(config.lock(), TINY | changes))
    run = runs.Run(runs.directory(workdir, one), one.config)
    result = studies.load(config.study).run(one.config, run)
    return {'config': dict(one.flat), 'status': 'done', 'result': result}

  return measure


def drawn(module, results):
  axes = figure.Figure(layout='constrained').subplots()
  whole, rows = axes.figure, module.table(results)
  module.draw(rows, axes)
  whole.draw_without_rendering()
  return rows, whole


# The difference.


@pytest.fixture(scope='module')
def bent(measured):
  return measured('difference', method='none', dim=100, bend_steps=30)


def test_a_bend_leaves_the_networks_and_lowers_what_is_between(bent):
  found = bent['result']
  assert found['status'] == 'done' and found['d'] == 100
  for metric in ('loss', 'accuracy'):
    line, curve = found[f'line_{metric}'], found[f'bent_{metric}']
    assert (line[0], line[-1]) == (curve[0], curve[-1])
  assert max(found['bent_loss']) < max(found['line_loss'])
  assert found['bend'] > 0


def test_what_is_trained_is_an_isometry_of_the_first_coordinates():
  config = configs.load(ROOT / 'mnist_mlp_difference.py').get_config('smoke')
  config = configs.override(config.lock(), TINY | {'most': 64, 'dim': 20})
  network = _networks.make(config)
  program = _bend.program(network.task.loss, False, config.most, 0.01)
  a, b = (network.task.init(jax.random.key(seed)) for seed in (0, 1))
  _, frozen = program.init(jax.random.key(2), a)
  where = _bend.Segment(a, b, jnp.int32(config.dim), frozen, jax.random.key(3))
  z = jax.random.normal(jax.random.key(4), (64,))
  bend = program.offset(z, where)
  norm = lambda tree: float(
    jnp.sqrt(sum(jnp.sum(x**2) for x in jax.tree.leaves(tree)))
  )
  np.testing.assert_allclose(norm(bend), norm(z[:20]), rtol=0.1)
  same = program.offset(z.at[20:].set(0), where)
  jax.tree.map(np.testing.assert_array_equal, bend, same)
  middle = program.at(z, where, 0.5)
  jax.tree.map(
    lambda x, p, q, y: np.testing.assert_allclose(
      x, (p + q + y) / 2, rtol=1e-5, atol=1e-6
    ),
    middle,
    a,
    b,
    bend,
  )


def test_all_parameters_are_a_bend_too(measured, bent):
  found = measured(
    'difference', direct=True, dim=0, learning_rate=0.01, method='none'
  )['result']
  assert found['d'] == found['D'] == bent['result']['D']
  assert found['line_loss'] == bent['result']['line_loss']
  assert max(found['bent_loss']) < max(found['line_loss'])


def curve(width, method, pair, heights):
  """Results of one pair: a segment, three dimensions, and all."""
  segment, *worst = heights
  about = {'model.depth': 3, 'model.width': width, 'method': method}
  line = {'line_accuracy': [0.8, 0.8 * segment, 0.8], 'line_loss': [0, 1, 0]}
  return [
    {
      'status': 'done',
      'config': about | {'models': (2 * pair, 2 * pair + 1)},
      'result': line
      | {
        'bent_accuracy': [0.8, 0.8 * x, 0.8],
        'bent_loss': [0, 0.5, 0],
        'distance': 2.0,
        'bend': 1.0,
        'd': d,
        'D': 5_000,
      },
    }
    for d, x in zip((10, 100, 1_000, 5_000), worst, strict=True)
  ]


CURVES = [
  result
  for width in (32, 64)
  for pair in range(3)
  for result in (
    *curve(width, 'weight_matching', pair, [0.92, 0.94, 0.96, 0.97, 0.99]),
    *curve(width, 'none', pair, [0.4, 0.5, 0.85, 0.96, 0.99]),
  )
]


def test_the_dimensions_are_where_the_curves_cross():
  rows, whole = drawn(matched_difference, [{'status': 'diverged'}, *CURVES])
  assert [row['dim'] for row in rows[:5]] == [0, 10, 100, 1_000, 5_000]
  assert (rows[0]['way'], rows[5]['way']) == ('none', 'weight_matching')
  assert rows[0]['n'] == 3
  summary = matched_difference.summary(CURVES)
  # From 0.85 at 100 to 0.96 at 1,000, linear in the logarithm.
  for share, part in ((90, 5 / 11), (95, 10 / 11)):
    np.testing.assert_allclose(
      summary[f'3x32/none/d_{share}'], 100 * 10**part, rtol=1e-6
    )
  np.testing.assert_allclose(summary['3x32/weight_matching/d_90'], 0)
  np.testing.assert_allclose(
    summary['3x32/weight_matching/d_95'], 10 * 10**0.5, rtol=1e-6
  )
  np.testing.assert_allclose(summary['3x32/none/segment'], 0.4)
  np.testing.assert_allclose(summary['3x32/none/all'], 0.99)
  assert len(whole.axes) == 3


def test_what_no_dimension_reaches_is_infinite():
  low = [x for i in range(2) for x in curve(8, 'none', i, [0.1] * 4 + [0.99])]
  _, _ = drawn(matched_difference, low)
  found = matched_difference.summary(low)['3x8/none/d_90']
  assert np.isinf(found).all()


# The plane.


def test_the_plane_goes_through_all_three(measured):
  entry = measured('plane')
  found = entry['result']
  assert found['status'] == 'done'
  assert np.shape(found['loss']) == (5, 5)
  line = measured('difference', method='none', dim=100, bend_steps=30)
  for name in ('loss', 'accuracy'):
    values = np.array(line['result'][f'line_{name}'])
    values = -values if name == 'accuracy' else values
    chord = np.linspace(values[0], values[-1], 5)
    np.testing.assert_allclose(
      found['barriers']['ab'][name], max(values - chord), atol=1e-5
    )
  rows, whole = drawn(loss_plane, [entry])
  assert rows[0]['pair'] == '0 and 1' and rows[0]['distance_ratio'] < 1
  summary = loss_plane.summary([entry])
  assert summary['ac/loss'][0] == found['barriers']['ac']['loss']
  assert len(whole.axes) == 2  # The map, and the colours.


# The singular directions.


def test_one_decomposition_serves_every_gamma():
  key_a, key_b = jax.random.split(jax.random.key(0))
  draw = lambda key: {
    'first': {'kernel': jax.random.normal(key, (12, 8))},
    'second': {'kernel': jnp.ones((8, 1)) @ jax.random.normal(key, (1, 5))},
  }
  a, b = draw(key_a), draw(key_b)
  whole = matching.alignment(a, b)
  for gamma in (0.0, 0.3, 0.7, 1.0):
    want = matching.alignment(a, b, gamma=gamma).r
    np.testing.assert_allclose(alignment._cut(whole, gamma)['r'], want)
  assert alignment._cut(matching.alignment(a, a), 0.5)['r'] == pytest.approx(1)


def test_matching_raises_r_and_leaves_singular_values(measured):
  ways = ('none', 'weight_matching')
  found = [measured('alignment', method=way) for way in ways]
  plain, matched = (x['result'] for x in found)
  assert matched['r'][0] > plain['r'][0]
  for leaf, values in plain['singular_values'].items():
    np.testing.assert_allclose(
      matched['singular_values'][leaf], values, rtol=1e-4, atol=1e-5
    )
  rows, whole = drawn(singular_alignment, found)
  assert len(rows) == 2 * 9 + 3  # Gammas of two ways, and three kernels.
  summary = singular_alignment.summary(found)
  assert summary['weight_matching/0/r'][0] == matched['r'][0]
  assert summary['none/barrier'][0] == plain['barrier']
  assert len(whole.axes) == 3


# Merging.


@pytest.mark.parametrize('models', [2, 3])
@pytest.mark.parametrize('own', [0.5, 0.8, 1.0])
def test_no_example_is_dealt_twice_and_shares_are_right(models, own):
  labels = np.random.default_rng(0).integers(10, size=900)
  dealt = _shares.parts(labels, models, own, examples=300)
  together = np.concatenate(dealt)
  assert len(together) == len(set(together.tolist())) == 300
  for model, at in enumerate(dealt):
    mine = np.mean(labels[at] * models // 10 == model)
    assert mine == pytest.approx(own, abs=0.02)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'own': 0.4}, r'`own` must lie between 1 / 2.*got 0.4'),
    ({'parts': 11}, '2 to 10, the number of classes, got 11'),
    ({'training_examples': 9_000}, 'group 0 has'),
    ({'training.batch_size': 601}, 'between 1 and 600, got 601'),
    ({'method': 'weight'}, "No method 'weight'"),
  ],
)
def test_what_the_config_asks_in_vain_is_one_line(measured, changes, message):
  with pytest.raises((errors.UsageError, RuntimeError), match=message):
    measured('merging', **changes)


@pytest.fixture(scope='module')
def merged(measured):
  return measured('merging', own=1.0, method='weight_matching')


def test_networks_are_matched_and_still_the_same(measured, merged):
  plain = measured('merging', own=1.0, method='none')['result']
  found = merged['result']
  assert found['distance'][0] < found['distance_before'][0]
  assert plain['distance'] == plain['distance_before']
  np.testing.assert_allclose(found['single'], plain['single'], atol=2e-3)
  np.testing.assert_allclose(found['ensemble'], plain['ensemble'], atol=3e-3)
  assert set(found['merged']) == {'average', 'task_arithmetic', 'ties'}


def test_half_the_sum_of_the_changes_is_the_mean_of_the_networks():
  config = configs.load(ROOT / 'mnist_mlp_merging.py').get_config('smoke')
  config = configs.override(config.lock(), TINY | {'scales': (0.5,)})
  network = _networks.make(config)
  draw = lambda seed: network.task.init(jax.random.key(seed))
  models = [parted.Trained(draw(i), draw(i + 10)) for i in range(2)]
  origin, differences = merging._changes(models)
  tuned = [x.params for x in models]
  halves = {'name': 'task_arithmetic'}, {'name': 'linear'}
  found = [
    merging._best(
      config,
      network,
      merging._recipe(str(recipe).replace("'", '"')),
      origin,
      differences,
      lambda params: params,
    )['test']
    for recipe in halves
  ]
  mean = jax.tree.map(lambda x, y: (x + y) / 2, *tuned)
  want = float(network.evaluate(mean, network.task.test).accuracy)
  np.testing.assert_allclose(found, want, atol=3e-3)


def test_all_begin_together_only_where_they_should():
  config = configs.load(ROOT / 'mnist_mlp_merging.py').get_config('smoke')
  begins = lambda together: [
    begin
    for _, begin in merging._parts(
      configs.override(config.lock(), {'together': together, 'seed': 3})
    )
  ]
  assert begins(True) == [6, 6] and begins(False) == [6, 7]


def planted(own, method, together, seed):
  accuracies = {'average': own, 'ties': own - 0.1 + 0.01 * seed}
  return {
    'status': 'done',
    'config': {
      'own': own,
      'method': method,
      'repair': False,
      'together': together,
      'seed': seed,
    },
    'result': {
      'merged': {k: {'test': x, 'scale': 1.0} for k, x in accuracies.items()},
      'single': [0.4, 0.6],
      'ensemble': 0.9,
      'distance': [8.0],
      'distance_before': [10.0],
    },
  }


def test_the_control_is_told_from_the_others(merged):
  results = [
    planted(own, method, together, seed)
    for own in (0.5, 1.0)
    for method, together in (
      ('none', True),
      ('none', False),
      ('weight_matching', False),
    )
    for seed in range(3)
  ]
  rows, whole = drawn(matched_merging, [{'status': 'diverged'}, *results])
  assert len(rows) == 2 * 3 * 2
  summary = matched_merging.summary(results)
  np.testing.assert_allclose(
    summary['0.5/together/none/ties'], (0.41, 0.4, 0.42)
  )
  assert summary['1/single'] == 0.5 and summary['1/ensemble'][0] == 0.9
  assert [len(place.lines) for place in whole.axes] == [3 + 2] * 2
  (legend,) = whole.legends
  assert 'one initialisation' in [x.get_text() for x in legend.get_texts()]
  drawn(matched_merging, [merged])
