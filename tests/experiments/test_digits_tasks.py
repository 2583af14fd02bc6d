import contextlib
import itertools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from matplotlib import figure
from scipy import stats

from experiments import digits_tasks as study
from experiments.digits_tasks import _conflict
from experiments.digits_tasks import _subsets
from experiments.figures import digits_tasks as figures
from experiments.figures import ranks
from experiments.tasks import variants
from experiments.training import digits as digits_training
from paramspace.launch import errors
from paramspace.launch import run as runs

TASKS = ('digits', 'digits_rotated', 'digits_inverted')
SIZES = dict(train=400, validation=200, test=300)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  kept, make = {}, digits_training.Program

  def program(data, one):
    key = one.to_json()
    if key not in kept:
      kept[key] = make(data, one)
    return kept[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(digits_training, 'Program', program)
    yield


def config(**changes):
  """Three tasks: ten steps together, twenty apart, four merges."""
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.tasks = TASKS
  made.side = 8
  made.splits = SIZES
  made.model = dict(name='fc', depth=1, width=16)
  made.features = 16
  made.sizes = (2, 3)
  made.pretrain = dict(steps=10, examples=64, batch_size=16, learning_rate=0.01)
  made.finetune = dict(
    steps=20, examples=400, batch_size=64, learning_rate=0.01
  )
  made.recipes = dict(
    average=dict(name='linear'),
    dare=dict(name='dare_linear', rate=0.5),
    regmean=dict(name='regmean'),
  )
  made.scales = (0.5, 1.0)
  made.examples = dict(fisher=8, grams=64)
  made.conflict_density = 0.2
  made.nonfinite = 'stop'
  made.execution = dict(log_every=10, checkpoint_seconds=1e9)
  made.update_from_flattened_dict(changes)
  return made.lock()


def train(folder, one, stop=lambda step: False):
  made = runs.Run(folder, one, stop)
  made.start({}, resume=bool(made.checkpoints.steps()))
  with contextlib.closing(made):
    return study.run(one, made)


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """What the config ends with when nothing happens to it, and its folder."""
  folder = tmp_path_factory.mktemp('calm')
  return train(folder, config()), folder


def test_a_task_is_better_served_by_its_own_encoder(calm):
  result, _ = calm
  assert result['status'] == 'done'
  for task in TASKS:
    assert result['single'][task] > result['pretrained'][task] + 0.1


def test_the_average_is_measured_below_the_heads_of_the_pretrained_model(calm):
  result, folder = calm
  one = config()
  model, tuned = runs.Run(folder, one).load('encoders').values()
  mean = jax.tree.map(lambda x: x.mean(0), tuned)['params']
  data = variants.read(TASKS, side=8, **SIZES)

  def accuracy(params, task):
    x = np.asarray(data.test.images[task]).reshape(300, 64) / 127.5 - 1
    for name in ('Dense_0', 'Dense_1'):
      x = np.maximum(x @ params[name]['kernel'] + params[name]['bias'], 0)
    logits = x @ model['heads']['kernel'][task] + model['heads']['bias'][task]
    return np.mean(logits.argmax(-1) == data.test.labels[task])

  ratios = [
    accuracy(mean, task) / result['single'][name]
    for task, name in enumerate(TASKS)
  ]
  assert result['subsets'][-1] == list(TASKS)
  found = result['merges']['average']
  np.testing.assert_allclose(found['normalized'][-1], np.mean(ratios), 1e-5)
  assert set(found['scale']) == {1.0}
  assert set(result['merges']['dare']['scale']) <= {0.5, 1.0}


@pytest.mark.parametrize('step', [10, 32])
def test_what_is_stopped_ends_in_the_bits_of_what_was_not(tmp_path, calm, step):
  with pytest.raises(errors.Preempted, match=f'Saved at step {step} of 34'):
    train(tmp_path, config(), stop=lambda now: now == step)
  assert train(tmp_path, config()) == calm[0]


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'splits.train': 1400}, 'digits has 1437 training images, but 1600'),
    ({'pretrain.examples': 401}, '`pretrain.examples` must lie.*got 401'),
    ({'splits.test': 0}, '`test` must be positive, got 0'),
    ({'tasks': ('digits', 'digits_mirrored')}, "No data set 'digits_mirrored'"),
    ({'recipes.average.name': 'liner'}, "No recipe 'liner'; near.*'linear'"),
    ({'sizes': (2, 4)}, r'`sizes` must rise from 2 or more to 3.*got \(2, 4\)'),
  ],
)
def test_what_the_config_asks_in_vain_is_one_line(tmp_path, change, message):
  with pytest.raises(errors.UsageError, match=message):
    train(tmp_path, config(**change))


def test_a_variant_has_the_same_digits_in_the_same_split():
  data = variants.read(TASKS, side=8, **SIZES)
  for split in data.train, data.validation, data.test:
    plain, turned, inverted = np.asarray(split.images)
    np.testing.assert_array_equal(turned[:, 7], plain[:, :, 0])
    np.testing.assert_array_equal(turned[:, 0, 0], plain[:, 0, 7])
    np.testing.assert_array_equal(inverted, 255 - plain)
    for labels in split.labels:
      np.testing.assert_array_equal(labels, split.labels[0])
  assert data.train.images.shape == (3, 400, 8, 8, 1)


def test_what_is_held_out_is_not_trained_on():
  whole = variants.read(
    TASKS[:1], side=8, train=600, validation=1, test=1
  ).train.images[0]
  data = variants.read(TASKS[:1], side=8, **SIZES)
  np.testing.assert_array_equal(data.train.images[0], whole[:400])
  np.testing.assert_array_equal(data.validation.images[0], whole[400:])


def test_every_task_is_in_as_many_subsets_of_a_size_as_any_other():
  found = _subsets.balanced(8, range(2, 9))
  assert len(found) == len(set(found)) == 28 + 5 * 8 + 1
  for size in range(2, 9):
    members = list(itertools.chain(*(s for s in found if len(s) == size)))
    counts = {task: members.count(task) for task in range(8)}
    assert len(set(counts.values())) == 1


def test_conflict_is_among_what_several_tasks_keep():
  origin = {'w': jnp.zeros(4), 'b': jnp.zeros(1)}
  rows = {
    'same': [3.0, -2.0, 0.1, 0.0],
    'opposite': [3.0, 2.0, 0.0, 0.1],
    'elsewhere': [0.1, 0.0, 2.0, -3.0],
  }
  tuned = {
    'w': jnp.array([rows['same'], *rows.values()]),
    'b': jnp.zeros((4, 1)),
  }
  signs = _conflict.signs(origin, tuned, density=0.4)  # Two of five.
  assert _conflict.measure(signs, (0, 1)) == (0, 0)
  assert _conflict.measure(signs, (0, 2)) == (1 / 2, 1 / 2)
  assert _conflict.measure(signs, (0, 3)) == (0, 0)
  assert _conflict.measure(signs, (2, 1)) == (1 / 2, 1 / 2)
  assert _conflict.measure(signs, (0, 1, 2, 3)) == (1 / 2, 1 / 4)


def planted(seed):
  """Accuracy falls with the conflict, the same for every seed but a shift."""
  subsets = _subsets.balanced(4, (2, 3, 4))
  names = 'abcd'
  conflicts = [0.1 * sum(tasks) for tasks in subsets]
  accuracies = [0.9 - c / 10 - seed / 100 for c in conflicts]
  merges = {
    'task_arithmetic': accuracies,
    'ties': [1.0 - x for x in accuracies],
  }
  return {
    'status': 'done',
    'config': {'seed': seed},
    'result': {
      'single': dict.fromkeys(names, 0.8),
      'pretrained': dict.fromkeys(names, 0.4),
      'subsets': [[names[i] for i in tasks] for tasks in subsets],
      'conflict_of_shared': conflicts,
      'conflict_of_kept': conflicts,
      'merges': {
        method: {'normalized': values, 'scale': [1.0] * len(values)}
        for method, values in merges.items()
      },
    },
  }


def test_the_summary_finds_the_correlation_that_was_planted():
  found = figures.summary([planted(0), planted(1)])
  for over in ('pairs', 'subsets'):
    np.testing.assert_allclose(found[f'task_arithmetic/spearman_{over}'], -1)
    np.testing.assert_allclose(found[f'ties/spearman_{over}'], 1)
  assert found['pretrained/4'] == (0.5, 0.5, 0.5)
  value, low, high = found['task_arithmetic/4']
  np.testing.assert_allclose([low, value, high], [0.83, 0.835, 0.84])


def test_a_p_value_is_the_share_of_permutations_that_do_as_well():
  generator = np.random.default_rng(1)
  pairs = list(itertools.combinations('abcd', 2))
  a, b = generator.normal(size=(2, len(pairs)))
  of = dict(zip(map(frozenset, pairs), a, strict=True))
  found = stats.spearmanr(a, b).statistic
  np.testing.assert_allclose(ranks.spearman(a, b), found)
  drawn = []
  for order in itertools.permutations('abcd'):
    other = dict(zip('abcd', order, strict=True))
    moved = [of[frozenset(map(other.get, pair))] for pair in pairs]
    drawn.append(abs(stats.spearmanr(moved, b).statistic))
  share = np.mean(np.array(drawn) >= abs(found) - 1e-9)
  assert 0.1 < share < 0.9
  np.testing.assert_allclose(ranks.mantel(pairs, a, b), share, atol=0.02)
  assert np.isnan(ranks.mantel(pairs, a, [1.0] * len(pairs)))


def test_draws_a_line_for_each_method_and_a_point_for_each_subset():
  axes = figure.Figure().subplots()
  whole = axes.figure
  figures.draw(figures.table([planted(0), planted(1)]), axes)
  whole.draw_without_rendering()
  right = whole.axes[1]
  (legend,) = whole.legends
  labels = [t.get_text() for t in legend.get_texts()]
  assert [x.split(':')[0] for x in labels] == [
    'task arithmetic',
    'pretrained',
    'TIES',
  ]
  assert sum(len(line.get_xdata()) for line in right.lines) == 6 + 4 + 1
