import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import text
from experiments.gpt_matching import _bench
from experiments.gpt_matching import _ways
from experiments.gpt_matching import training
from experiments.tasks import language
from paramspace import symmetry
from paramspace import trees
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import run as runs
from paramspace.launch import study as studies

CONFIG = pathlib.Path(__file__).parents[2] / (
  'configs/matching/tinyshakespeare_gpt.py'
)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(autouse=True, scope='module')
def some_text():
  """A text of two letters in the place of Shakespeare's."""
  draw = np.random.default_rng(0)
  content = bytes(draw.choice(list(b'ab'), 4_000, p=(0.8, 0.2)).tolist())
  load = functools.partial(lambda name: text.split(content))
  make = functools.partial(language.make, load=load)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(language, 'make', make)
    _bench._made.cache_clear()
    yield
    _bench._made.cache_clear()


def config(**changes):
  small = {
    'points': 3,
    'model.width': 8,
    'model.context': 8,
    'training.steps': 4,
  }
  one = configs.load(CONFIG).get_config('smoke').lock()
  return configs.override(one, small | changes)


@pytest.fixture(scope='module')
def bench():
  return _bench.make(config())


@pytest.fixture(scope='module')
def models(bench):
  """Two models, all of whose leaves are drawn: norms and biases too."""
  init = jax.jit(bench.task.init)

  def drawn(seed):
    key = jax.random.key(seed)
    params = init(key)
    noise = lambda name, x: jax.random.normal(trees.key_for(key, name), x.shape)
    leaves = trees.named(params).items()
    return trees.replace(params, {n: x + 0.3 * noise(n, x) for n, x in leaves})

  return drawn(0), drawn(1)


@pytest.fixture(scope='module')
def answers(bench):
  """Returns what a model of a form answers."""
  tokens = bench.splits['test'][:, :-1]
  apply = {form.apply: jax.jit(form.apply) for form in bench[1:3]}
  return lambda form, params: apply[form.apply](params, tokens)


def test_a_folded_model_has_the_same_function_without_scales(
  bench, models, answers
):
  folded = _bench.fold(bench.trained.spec, models[0])
  np.testing.assert_allclose(
    answers(bench.folded, folded),
    answers(bench.trained, models[0]),
    atol=2e-5,
  )
  norms = [x for n, x in trees.named(folded).items() if 'Norm' in n]
  assert norms and all(bool((x == 1).all()) for x in norms)


@pytest.mark.parametrize('name', _ways.WAYS)
def test_no_way_changes_the_function_and_all_bring_it_nearer(
  name, bench, models, answers
):
  key = jax.random.key(0)
  ends = _ways.WAYS[name](key, bench, *models)
  for new, old in zip(ends[1:], models, strict=True):
    np.testing.assert_allclose(
      answers(ends.form, new), answers(bench.trained, old), atol=5e-5
    )
  start = _ways.none if ends.form is bench.trained else _ways.folded
  if name != start.__name__:
    assert _inner(ends) > _inner(start(key, bench, *models)) + 0.1


def _inner(ends):
  a, b = map(trees.named, (ends.a, ends.b))
  return sum(float(jnp.vdot(a[name], b[name])) for name in a)


def test_the_symmetries_are_the_stream_heads_what_is_in_them_and_the_ffn(bench):
  spec = bench.trained.spec
  sizes = sorted((g.size, len(g.over)) for g in spec.groups.values())
  assert sizes == [(2, 0), (4, 1), (4, 1), (8, 0), (32, 0)]
  assert symmetry.shapes(spec)[_bench.stream(spec)] == (8,)


def test_a_pair_is_trained_matched_and_measured(tmp_path):
  one = config()
  point = points.point(one)
  run = runs.Run(runs.directory(tmp_path, point), point.config)
  found = studies.load(one.study).run(point.config, run)
  assert found['status'] == 'done'
  repaired = {f'{name}_repaired' for name in _ways.REPAIRED}
  assert set(found['paths']) == {*_ways.WAYS, *repaired}
  ends = [path['values']['test_loss'] for path in found['paths'].values()]
  for path in ends[1:]:
    np.testing.assert_allclose(path[::2], ends[0][::2], rtol=1e-3)
  distances = found['distances']
  assert distances['permuted'] <= distances['permuted_still']
  assert distances['rotated'] < distances['folded']
  # The second of two models, with the next of the last: it is the first.
  again = runs.Run(tmp_path / 'runs' / 'b', config(seed=1))
  second, first = training.ensure(again, config(seed=1), (1, 0))
  assert len(list((tmp_path / 'runs').glob('*/result.json'))) == 2
  assert jax.tree.structure(first) == jax.tree.structure(second)


def test_a_tied_head_is_refused():
  with pytest.raises(ValueError, match=r'`model.tied` must be False'):
    _bench.make(config(**{'model.tied': True}))


def test_an_unknown_schedule_is_a_usage_error(tmp_path):
  one = training.point(config(**{'training.optimizer.schedule': 'cubic'}), 0)
  with pytest.raises(errors.UsageError, match='`schedule` is one of'):
    training.run(one, runs.Run(tmp_path, one))
