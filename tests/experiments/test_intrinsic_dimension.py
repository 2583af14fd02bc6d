import contextlib
import functools
import itertools
import math
import re

import jax
import ml_collections
import numpy as np
import pytest

from experiments import data as datasets
from experiments import intrinsic_dimension as study
from experiments import tasks
from experiments.training import loop
from experiments.training import subspace as subspace_training
from paramspace import sharding
from paramspace.launch import batch as batches
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import mapping
from paramspace.launch import run as runs


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Keeps the programs: to train again is not to compile again."""
  kept, make = {}, subspace_training.Program

  def program(task, method, config, each=subspace_training.alone, layout=None):
    flat = configs.flatten(config).items()
    fixed = tuple(item for item in flat if item[0] not in study.VMAPPABLE)
    batch = getattr(each, '__self__', None)
    key = fixed, (batch.size, batch._exact) if batch else each
    if key not in kept:
      kept[key] = make(task, method, config, each, layout)
    return kept[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(subspace_training, 'Program', program)
    yield


COLLECTIVE = re.compile(r' (all-|reduce-scatter|collective-)\S*\(')
LOG_EVERY = 9  # Does not divide the 22 steps of an epoch.


def config(**changes):
  """Two epochs of a network of 610 parameters, in 100 of 200 coordinates."""
  made = ml_collections.ConfigDict()
  made.seed = 0
  made.data = 'digits'
  made.shuffled_pixels = False
  made.standardize = False
  made.model = dict(name='fc', depth=1, width=8)
  made.direct = False
  made.dim = 100
  made.method = dict(name='reparam.hadamard', dim=200, scale='isometric')
  made.rebase_every = 0
  made.epochs = 2
  made.batch_size = 64
  made.l2 = 0.0
  made.nonfinite = 'stop'
  made.optimizer = dict(
    name='adam', learning_rate=0.1, b1=0.9, b2=0.99, momentum=0.0
  )
  made.execution = dict(
    log_every=LOG_EVERY, checkpoint_seconds=1e9, group_size=0, sharding='none'
  )
  made.update_from_flattened_dict(changes)
  return made.lock()


ROWS = [config(seed=s, dim=d) for s, d in ((0, 200), (0, 4), (1, 100))]


def never(step):
  del step
  return False


def batch(folder, configs, stop=never, exact=False):
  members = [runs.Run(folder / str(i), c) for i, c in enumerate(configs)]
  made = batches.BatchRun(
    folder / 'group', members, len(configs), stop, exact=exact
  )
  for one in members:
    one.start({}, resume=bool(made.checkpoints.steps()))
  return made


def train(folder, configs=ROWS, stop=never, exact=False):
  """Returns the results and the metrics, as bytes, of each row."""
  with contextlib.closing(batch(folder, configs, stop, exact)) as made:
    results = study.run_batch(configs, made)
  return list(zip(results, logged(folder, configs), strict=True))


def logged(folder, configs):
  """Returns the metrics of each row, as bytes."""
  return [
    (folder / str(i) / 'metrics.jsonl').read_bytes()
    for i in range(len(configs))
  ]


def train_alone(folder, one):
  """Returns the result and the metrics, as bytes, of a single run."""
  made = runs.Run(folder, one)
  made.start({}, resume=False)
  with contextlib.closing(made):
    result = study.run(one, made)
  return result, (folder / 'metrics.jsonl').read_bytes()


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """What `ROWS` end with when nothing happens to them."""
  return train(tmp_path_factory.mktemp('calm'))


def program(**changes):
  """Returns a program, one row of it for seed 0, and its start and state."""
  one = config(**changes)
  task = tasks.make(data=one.data, model=one.model)
  row = jax.tree.map(lambda x: x[0], study._rows([one]))
  method = study._method([one])
  made = subspace_training.Program(task, method, one)
  return made, row, *made.start(row)


def indices(steps):
  return loop.order(0, 0, 1437, 64)[None, :steps]


@pytest.fixture(scope='module')
def single(tmp_path_factory):
  """What each of `ROWS` ends with as a single run."""
  folder = tmp_path_factory.mktemp('single')
  return [train_alone(folder / str(i), one) for i, one in enumerate(ROWS)]


def test_a_row_of_a_batch_is_what_it_is_alone(calm, single):
  for one, (found, _), (together, _) in zip(ROWS, single, calm, strict=True):
    assert found['status'] == together['status'] == 'done'
    assert found['d'] == together['d'] == one.dim
    assert found['D'] == together['D'] == 610
    np.testing.assert_allclose(
      found['test_loss'], together['test_loss'], rtol=1e-3
    )
    assert abs(found['test_accuracy'] - together['test_accuracy']) < 0.01


def test_mapped_rows_are_single_runs_bit_for_bit(tmp_path, single):
  assert train(tmp_path, exact=True) == single


def test_mapped_states_are_single_states_bit_for_bit():
  sgd = {'optimizer.name': 'sgd', 'optimizer.momentum': 0.9}
  rows = [config(l2=1e-3, seed=s, **sgd) for s in (0, 1)]
  task, method = study._task(rows[0]), study._method(rows)

  def end(configs, row, **options):
    made = subspace_training.Program(task, method, configs[0], **options)
    at = study._batches(configs, task, 0)[:, :LOG_EVERY]
    state, losses = made.train(*made.start(row), row, 0, at)
    return jax.tree.leaves((state, losses))

  together = end(rows, study._rows(rows), each=mapping.mapped)
  for i, one in enumerate(rows):
    alone = end([one], jax.tree.map(lambda x: x[0], study._rows([one])))
    for x, y in zip(alone, together, strict=True):
      np.testing.assert_array_equal(x, y[i])


def test_rows_on_eight_devices_do_not_wait_for_each_other():
  configs = [config(seed=s) for s in range(8)]
  task, rows = study._task(configs[0]), sharding.rows(study._rows(configs))
  task = study._on(rows.dim.sharding.mesh, task)
  made = subspace_training.Program(
    task, study._method(configs), configs[0], each=jax.vmap
  )
  start, state = sharding.rows(made.start(rows))
  at = study._batches(configs, task, 0)[:, :2]
  lowered = made._train.lower(start, state, rows, 0, at, task.train)
  assert not COLLECTIVE.search(lowered.compile().as_text())
  state, _ = made.train(start, state, rows, 0, at)
  places = {x.sharding for x in jax.tree.leaves(state)}
  assert places == {rows.dim.sharding}


def test_one_point_on_eight_devices_is_the_point_on_one(tmp_path):
  ends = {}
  for name in study.SHARDINGS:
    one = config(
      direct=True,
      epochs=1,
      **{
        'model.width': 256,
        'execution.sharding': name,
        'optimizer.learning_rate': 0.01,
      },
    )
    ends[name], _ = train_alone(tmp_path / name, one)
  none, data, fsdp = ends.values()
  for spread in (data, fsdp):
    assert spread.keys() == none.keys()
    np.testing.assert_allclose(
      spread['test_loss'], none['test_loss'], rtol=1e-4
    )
  assert none['test_accuracy'] > 0.8


def test_a_point_on_eight_devices_adds_up_its_gradients_and_splits_its_state():
  one = config(
    direct=True, **{'model.width': 256, 'execution.sharding': 'fsdp'}
  )
  mesh = study._mesh(one)
  layout = functools.partial(study._layout, one, mesh)
  task, row = study._on(mesh, study._task(one)), study._rows([one])
  row = jax.tree.map(lambda x: x[0], row)
  row = sharding.place(row, sharding.replicate(row, mesh))
  made = subspace_training.Program(
    task, study._method([one]), one, layout=layout
  )
  start, state = made.start(row)
  split = [x for x in jax.tree.leaves(state) if not x.is_fully_replicated]
  assert {x.size for x in split} == {64 * 256}
  assert len(split) == 3  # The coordinates and the two moments of Adam.
  at = study._split(mesh, study._batches([one], task, 0)[:, :2])
  assert at.sharding.spec == jax.P(None, None, 'data')
  lowered = made._train.lower(start, state, row, 0, at, task.train)
  assert COLLECTIVE.search(lowered.compile().as_text())


def test_training_works_and_more_coordinates_do_better(calm):
  most, fewest, some = (result['test_accuracy'] for result, _ in calm)
  assert most > some > fewest
  assert most > 0.6


def test_the_same_group_has_the_same_bits(tmp_path, calm):
  assert train(tmp_path) == calm


@pytest.mark.parametrize('logs', [1, 3, 4])
def test_what_is_stopped_ends_in_the_bits_of_what_was_not(tmp_path, calm, logs):
  asked = itertools.count(1)
  with pytest.raises(errors.Preempted, match=r'Saved at step \d+ of 44'):
    train(tmp_path, stop=lambda step: next(asked) == logs)
  assert train(tmp_path) == calm


def test_a_checkpoint_at_every_chance_changes_nothing(tmp_path, calm):
  often = []
  for one in ROWS:
    often.append(one.copy_and_resolve_references())
    often[-1].execution.checkpoint_seconds = 0.0
  assert train(tmp_path, often) == calm
  steps = batch(tmp_path, often).checkpoints.steps()
  assert steps == [40, 44]


@pytest.mark.parametrize('rate', [1e30, math.inf])
def test_a_row_that_diverges_leaves_the_others_bits_alone(tmp_path, calm, rate):
  absurd = config(seed=0, dim=4, **{'optimizer.learning_rate': rate})
  first, lost, last = train(tmp_path, [ROWS[0], absurd, ROWS[2]])
  assert lost[0]['status'] == 'diverged'
  assert [first, last] == [calm[0], calm[2]]


def test_the_bar_shows_the_best_of_the_rows_that_did_not_diverge(tmp_path):
  shown = []

  class Bar:
    def set(self, completed):
      assert completed == 0

    def advance(self, n, best):
      shown.append(best)

  def accuracies(configs):
    shown.clear()
    made = batch(tmp_path / str(len(configs)), configs)
    made.progress = lambda total, text: contextlib.nullcontext(Bar())
    return [r['test_accuracy'] for r in study.run_batch(configs, made)]

  whole = config(nonfinite='continue')
  lost = config(nonfinite='continue', **{'optimizer.learning_rate': math.inf})
  *kept, _ = accuracies([whole, whole, lost])
  assert shown[-1] == max(kept)
  accuracies([lost])
  assert set(shown) == {0.0}


def test_direct_training_trains_all_parameters(tmp_path):
  ((result, _),) = train(
    tmp_path,
    [config(direct=True, dim=0, **{'optimizer.learning_rate': 0.03})],
  )
  assert result['d'] == result['D'] == 610
  assert result['test_accuracy'] > 0.7


def test_coordinates_beyond_the_dimension_stay_zero():
  made, row, start, state = program(dim=5)
  state, _ = made.train(start, state, row, 0, indices(LOG_EVERY))
  z = np.asarray(state.z)
  assert z.shape == (200,)
  assert (z[:5] != 0).all()
  assert (z[5:] == 0).all()


def test_rms_moves_weights_as_far_at_every_dimension(tmp_path):
  # P sqrt(D/k) at rate r is P at rate r sqrt(D/k): Adam forgets the scale of
  # the gradient.
  rate, dim, size = 1e-3, 100, 610
  rms = config(**{'method.scale': 'rms', 'optimizer.learning_rate': rate})
  isometric = config(
    **{'optimizer.learning_rate': rate * math.sqrt(size / dim)}
  )
  found = [
    train(tmp_path / c.method.scale, [c])[0][0]['test_loss']
    for c in (rms, isometric)
  ]
  np.testing.assert_allclose(*found, rtol=1e-3)


def test_l2_is_on_the_kernels_of_theta():
  losses = {}
  for l2 in (0.0, 0.5):
    made, row, start, state = program(l2=l2, **{'optimizer.learning_rate': 0.0})
    losses[l2] = made.train(start, state, row, 0, indices(3))[1]
  kernels = [x for x in jax.tree.leaves(start.params) if x.ndim > 1]
  assert len(kernels) == 2
  squares = sum(float((x**2).sum()) for x in kernels)
  np.testing.assert_allclose(
    losses[0.5] - losses[0.0], 0.5 * squares, rtol=1e-4
  )


def test_a_basis_redrawn_every_step_leaves_all_in_the_parameters():
  made, row, start, state = program(rebase_every=1)
  first = jax.tree.leaves(start.frozen)
  state, _ = made.train(start, state, row, 0, indices(2))
  assert not np.asarray(state.z).any()
  assert any(
    (a != b).any()
    for a, b in zip(first, jax.tree.leaves(state.moved.frozen), strict=True)
  )
  moved = jax.tree.leaves(state.moved.params)
  assert all(
    (a != b).any()
    for a, b in zip(jax.tree.leaves(start.params), moved, strict=True)
  )


def test_a_basis_redrawn_every_third_step_starts_from_where_it_was():
  fixed, row, start, state = program()
  state, _ = fixed.train(start, state, row, 0, indices(3))
  want = fixed.measure(start, state, row)['test_loss']

  made, row, start, state = program(rebase_every=3)
  three, _ = made.train(start, state, row, 0, indices(3))
  assert not np.asarray(three.z).any()
  found = made.measure(start, three, row)['test_loss']
  np.testing.assert_allclose(found, want, rtol=1e-5)

  moved = [np.asarray(x) for x in jax.tree.leaves(three.moved)]
  five, _ = made.train(start, three, row, 3, indices(5)[:, 3:])
  assert np.asarray(five.z).any()
  for a, b in zip(moved, jax.tree.leaves(five.moved), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'method.name': 'reparam.hashed'},
      r'hashed is not nested, .* `method.dim` = 200, got 100; sweep the two',
    ),
    ({'dim': 201}, r'1\.\.`method.dim` = 200, got 201'),
    ({'dim': 0}, r'1\.\.`method.dim` = 200, got 0'),
    ({'method.dim': 700}, '610'),
    ({'method.name': 'reparam.hadamrd'}, "did you mean 'hadamard'"),
    ({'data': 'digit'}, "did you mean 'digits'"),
    ({'model.name': 'fcc'}, "did you mean 'fc'"),
  ],
)
def test_a_config_that_cannot_be_run_is_one_line(tmp_path, changes, message):
  wrong = config(**changes)
  with pytest.raises(errors.UsageError, match=message) as error:
    train(tmp_path, [wrong])
  assert '\n' not in str(error.value)


def test_a_sharding_that_is_not_there_is_named(tmp_path):
  wrong = config(**{'execution.sharding': 'model'})
  with pytest.raises(errors.UsageError, match=r"sharding` .* got 'model'"):
    train_alone(tmp_path, wrong)


def test_a_batch_of_points_is_not_spread_point_by_point(tmp_path):
  spread = config(**{'execution.sharding': 'data'})
  with pytest.raises(errors.UsageError, match='--executor inline'):
    train(tmp_path, [spread])


def test_a_batch_that_the_devices_do_not_divide_is_one_line(tmp_path):
  odd = config(batch_size=20, **{'execution.sharding': 'data'})
  with pytest.raises(errors.UsageError, match=r'20, .* multiple of 8'):
    train_alone(tmp_path, odd)


def test_hashed_runs_at_its_own_dimension(tmp_path):
  hashed = config(dim=200, **{'method.name': 'reparam.hashed'})
  ((result, _),) = train(tmp_path, [hashed])
  assert result['test_accuracy'] > 0.5


def test_the_memory_of_a_row_is_estimated_without_the_data(monkeypatch):
  monkeypatch.setenv('PARAMSPACE_DATA', '/nowhere')
  found = study.row_bytes(config(data='mnist'))
  images = 4 * 1000 * 28 * 28  # Of a batch of the evaluation, in float32.
  assert images < found < 4 * images


def test_what_a_row_keeps_is_in_its_memory():
  plain = study.row_bytes(config())
  dense = study.row_bytes(config(**{'method.name': 'reparam.dense'}))
  assert dense - plain > 4 * 200 * 610
  adam = study.row_bytes(config(direct=True))
  sgd = study.row_bytes(config(direct=True, **{'optimizer.name': 'sgd'}))
  assert adam - sgd >= 4 * 2 * 610  # The two moments.


def test_a_point_that_cannot_be_run_is_known_when_memory_is_estimated():
  with pytest.raises(errors.UsageError, match='610'):
    study.row_bytes(config(dim=100, **{'method.dim': 700}))


def test_blank_data_has_the_shapes_of_the_data():
  for blank, real in zip(
    datasets.blank('digits')[:5], datasets.load('digits')[:5], strict=True
  ):
    assert np.shape(blank)[1:] == np.shape(real)[1:]
    assert np.asarray(blank).dtype == np.asarray(real).dtype
