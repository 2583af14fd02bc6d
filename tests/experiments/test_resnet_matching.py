import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import models
from experiments.models import _resnet
from experiments.resnet_matching import _bench
from experiments.resnet_matching import training
from paramspace import matching
from paramspace import symmetry
from paramspace import trees
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import run as runs
from paramspace.launch import study as studies

CONFIG = pathlib.Path(__file__).parents[2] / (
  'configs/matching/cifar10_resnet20.py'
)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's schedules take a float and an integer, the step."""
  with jax.numpy_dtype_promotion('standard'):
    yield


def config(**changes):
  small = {
    'points': 3,
    'model.width': 0.125,
    'examples': 128,
    'training.epochs': 1,
    'activations': 128,
  }
  one = configs.load(CONFIG).get_config('smoke').lock()
  return configs.override(one, small | changes)


@pytest.fixture(scope='module')
def bench():
  return _bench.make(config())


@pytest.fixture(scope='module')
def tree(bench):
  """A network whose statistics are drawn too."""
  key = jax.random.key(0)
  tree = _bench.variables(jax.jit(bench.task.init)(key))
  noise = lambda name, x: jax.random.uniform(trees.key_for(key, name), x.shape)
  leaves = trees.named(tree).items()
  return trees.replace(tree, {n: x + 0.2 * noise(n, x) for n, x in leaves})


@pytest.fixture(scope='module')
def hidden(bench):
  return jax.jit(bench.hidden)


@pytest.mark.parametrize('factory', ['resnet', 'resnet_layer_norm'])
def test_a_resnet_20_has_the_twelve_groups_of_git_re_basin(factory):
  network = getattr(models, factory)(classes=10)
  image = jnp.zeros((1, 32, 32, 3))
  tree = jax.eval_shape(network.init, jax.random.key(0), image)
  spec = symmetry.derive(network.apply, tree, image)
  sizes = [group.size for group in spec.groups.values()]
  assert sorted(sizes) == [16] * 4 + [32] * 4 + [64] * 4
  assert not spec.notes
  of = lambda leaf: spec.leaves[f'params/{leaf}/kernel'][-1].name
  assert of('conv') == of('stage_0_block_2/conv_1')
  assert of('stage_1_block_0/conv_skip') == of('stage_1_block_2/conv_1')
  assert trees.size(tree['params']) == 292_954


def test_a_resnet_is_that_of_the_formulas():
  network = _resnet.resnet(classes=3, depth=8, width=0.125)
  draw = np.random.default_rng(0)
  image = jnp.asarray(draw.normal(size=(2, 8, 8, 3)), jnp.float32)
  tree = jax.jit(network.init)(jax.random.key(0), image)
  tree = jax.tree.map(
    lambda x: x + jnp.asarray(draw.uniform(0, 0.3, x.shape), x.dtype), tree
  )
  expected = by_hand(tree, np.asarray(image, np.float64))
  found = jax.jit(network.apply)(tree, image)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def by_hand(tree, x):
  """A ResNet-8 in float64, as loops over the pixels of a kernel."""
  weights, stats = trees.named(tree['params']), trees.named(tree['batch_stats'])

  def conv(x, name, strides=1):
    kernel = np.asarray(weights[f'{name}/kernel'], np.float64)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    side = x.shape[1]
    taps = [
      padded[:, i : i + side : strides, j : j + side : strides] @ kernel[i, j]
      for i in range(3)
      for j in range(3)
    ]
    return sum(taps)

  def norm(x, name):
    mean, var = (np.asarray(stats[f'{name}/{k}']) for k in ('mean', 'var'))
    scale, bias = (
      np.asarray(weights[f'{name}/{k}']) for k in ('scale', 'bias')
    )
    return (x - mean) / np.sqrt(var + 1e-5) * scale + bias

  relu = lambda x: np.maximum(x, 0)
  x = relu(norm(conv(x, 'conv'), 'norm'))
  for stage in range(3):
    name, strides = f'stage_{stage}_block_0', 2 if stage else 1
    y = relu(norm(conv(x, f'{name}/conv_0', strides), f'{name}/norm_0'))
    y = norm(conv(y, f'{name}/conv_1'), f'{name}/norm_1')
    if stage:
      x = norm(conv(x, f'{name}/conv_skip', strides), f'{name}/norm_skip')
    x = relu(x + y)
  head = {k: np.asarray(weights[f'head/{k}']) for k in ('kernel', 'bias')}
  return x.mean((1, 2)) @ head['kernel'] + head['bias']


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'depth': 21}, '`depth` must be 8, 14, 20 or so on, got 21'),
    ({'width': 0.3}, '`width` must be a multiple of 1/16, got 0.3'),
    ({'momentum': 1.0}, r'`momentum` must lie in \[0, 1\), got 1.0'),
  ],
)
def test_a_resnet_that_there_is_not_is_refused(options, message):
  with pytest.raises(ValueError, match=message):
    models.make_normalized('resnet', 10, **options)


def test_hidden_values_move_with_the_groups_they_are_of(bench, tree, hidden):
  element = symmetry.random(jax.random.key(1), bench.spec)
  moved = symmetry.act(bench.spec, element, tree)
  images = bench.task.train.images[:16]
  before, after = hidden(tree, images), hidden(moved, images)
  assert before.keys() == symmetry.shapes(bench.spec).keys()
  for name, x in before.items():
    assert 0 <= float(x.min()) < float(x.max())
    np.testing.assert_allclose(after[name], x[..., element[name]], rtol=1e-4)


def test_activations_find_the_permutation_of_a_copy(bench, tree, hidden):
  element = symmetry.random(jax.random.key(1), bench.spec)
  moved = symmetry.act(bench.spec, element, tree)
  found = matching.activation_matching(
    bench.spec,
    matching.activation_statistics(
      bench.spec, bench.hidden, tree, moved, [bench.task.train.images[:64]]
    ),
  )
  back = symmetry.act(bench.spec, found.element, moved)
  images = bench.task.test.images[:16]
  one, other = hidden(tree, images), hidden(back, images)
  for name, x in one.items():
    np.testing.assert_allclose(other[name], x, atol=1e-4)


def test_statistics_move_with_the_forward_pass_in_training(bench, tree):
  new = jax.jit(bench.update)(tree, bench.task.train.images[:32])
  for name, x in trees.named(new).items():
    same = bool((x == trees.named(tree)[name]).all())
    assert same == name.startswith('params/'), name


def test_images_shrink_by_their_means(bench):
  small = _bench.make(config(shrink=2)).task.train.images
  whole = bench.task.train.images
  assert small.shape == (128, 4, 4, 1)
  corner = np.asarray(whole[0, :2, :2, 0], np.float64).mean()
  np.testing.assert_allclose(small[0, 0, 0, 0], corner, atol=0.51)


def test_a_pair_is_trained_permuted_and_measured(tmp_path):
  one = config()
  point = points.point(one)
  run = runs.Run(runs.directory(tmp_path, point), point.config)
  found = studies.load(one.study).run(point.config, run)
  assert found['status'] == 'done'
  paths = found['paths']
  ways = ('none', 'weights', 'activations')
  assert list(paths) == [w + e for w in ways for e in ('', '_reset')]
  for ending in ('', '_reset'):
    ends = [paths[w + ending]['values']['test_loss'][::2] for w in ways]
    np.testing.assert_allclose(ends[1:], [ends[0]] * 2, rtol=1e-3)
  as_is, again = (
    paths[w]['values']['test_loss'] for w in ('none', 'none_reset')
  )
  assert as_is != again
  assert len(list((tmp_path / 'runs').glob('*/result.json'))) == 2


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'examples': 2_000}, 'at most 1437 together, got 2000 and 100'),
    ({'shrink': 3}, '`shrink` must divide the 8x8 pixels, got 3'),
    ({'statistics': 0}, '`statistics` must lie between 1 and .*= 128, got 0'),
    ({'measured.test': 400}, '`measured.test` must lie between 1 and 360'),
  ],
)
def test_what_the_config_asks_in_vain_is_one_line(tmp_path, change, message):
  one = config(**change)
  study = studies.load(one.study)
  with pytest.raises(errors.UsageError, match=message):
    study.run(one, runs.Run(tmp_path, one))


def test_a_batch_that_is_larger_than_the_data_is_a_usage_error(tmp_path):
  one = training.point(config(**{'training.batch_size': 129}), 0)
  with pytest.raises(errors.UsageError, match=r'`batch_size` must lie.*129'):
    training.run(one, runs.Run(tmp_path, one))
