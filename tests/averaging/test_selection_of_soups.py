import operator
import weakref

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.averaging import _soups

KEY = jax.random.key(0)


def model(seed, dtype=jnp.float32):
  one, two = jax.random.split(jax.random.fold_in(KEY, seed))
  return {
    'w': jax.random.normal(one, (5, 3), dtype),
    'b': 100 + jax.random.normal(two, (3,), dtype),
    'step': jnp.array([3, 4]),
    'key': jax.random.key(1),
  }


MODELS = [model(k) for k in range(7)]
TARGET = jnp.mean(jnp.stack([m['w'] for m in MODELS[:4]]), 0)


@jax.jit
def score(params):
  return -jnp.sum((params['w'] - TARGET) ** 2)


def exact_mean(models, name):
  return np.mean([np.asarray(m[name], np.float64) for m in models], 0)


def test_a_uniform_soup_is_the_mean():
  soup = _soups.uniform_soup(MODELS)
  for name in ('w', 'b'):
    want = exact_mean(MODELS, name)
    np.testing.assert_allclose(soup[name], want, rtol=2e-7, atol=2e-7)
  chex.assert_trees_all_equal(soup['step'], MODELS[0]['step'])
  assert jax.random.key_data(soup['key']).tolist() == [0, 1]


@pytest.mark.optimized
def test_equal_models_make_that_model_to_the_bit():
  chex.assert_trees_all_equal(_soups.uniform_soup([MODELS[0]] * 7), MODELS[0])


def test_narrow_models_are_rounded_once():
  models = [model(k, jnp.bfloat16) for k in range(7)]
  soup = _soups.uniform_soup(models)
  want = jnp.asarray(exact_mean(models, 'b'), jnp.float32)
  chex.assert_trees_all_equal(soup['b'], want.astype(jnp.bfloat16))


def test_a_soup_of_files_holds_one_model():
  alive = []

  def load(k):
    def loader():
      assert not any(ref() is not None for ref in alive)
      tree = model(k)
      alive.append(weakref.ref(tree['w']))
      return tree

    return loader

  loaders = [load(k) for k in range(7)]
  chex.assert_trees_all_equal(
    _soups.uniform_soup(loaders), _soups.uniform_soup(MODELS)
  )
  got, want = (
    _soups.greedy_soup(loaders, score),
    _soups.greedy_soup(MODELS, score),
  )
  chex.assert_trees_all_equal(got.params, want.params)
  assert got.members == want.members
  assert len(alive) == 7 + 2 * 7


def test_a_module_that_can_be_called_is_a_model_not_a_loader():
  @jax.tree_util.register_pytree_node_class
  class Module:
    def __init__(self, w):
      self.w = w

    def __call__(self):
      raise AssertionError('called')

    def tree_flatten(self):
      return (self.w,), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
      return cls(*leaves)

  soup = _soups.uniform_soup([Module(jnp.zeros(2)), Module(jnp.ones(2))])
  np.testing.assert_array_equal(soup.w, [0.5, 0.5])


def brute_force(models, score, accept):
  """Recipe 1, with every mean taken anew in float64."""
  order = sorted(range(len(models)), key=lambda k: -float(score(models[k])))
  mean = lambda members: {
    'w': jnp.asarray(exact_mean([models[k] for k in members], 'w'), jnp.float32)
  }
  members, best = order[:1], float(score(models[order[0]]))
  for k in order[1:]:
    new = float(score(mean([*members, k])))
    if accept(new, best):
      members, best = [*members, k], new
  return tuple(members), best


@pytest.mark.parametrize('accept', [operator.gt, operator.ge])
@pytest.mark.parametrize('seed', range(1, 5))
def test_a_greedy_soup_is_recipe_1(seed, accept):
  models = [{'w': model(10 * seed + k)['w']} for k in range(6)]
  soup = _soups.greedy_soup(models, score, accept)
  members, best = brute_force(models, score, accept)
  assert soup.members == members
  np.testing.assert_allclose(soup.score, best, rtol=1e-5)
  np.testing.assert_allclose(
    soup.params['w'], exact_mean([models[k] for k in members], 'w'), atol=1e-6
  )
  assert soup.score == score(soup.params)
  assert soup.score >= soup.scores.max()
  np.testing.assert_allclose(soup.scores, [score(m) for m in models], rtol=1e-6)


def test_ties_are_broken_by_accept_and_keep_the_order():
  models = [{'w': jnp.array(k - 4.0)} for k in range(25)]
  positive = lambda params: params['w'] >= 0
  assert _soups.greedy_soup(models, positive).members == (4,)
  soup = _soups.diwa(models, positive)
  assert soup.members == (*range(4, 25), *range(4))
  assert soup.params['w'] == 8


def test_a_model_that_hurts_stays_out():
  models = [{'w': jnp.array(w)} for w in (0.0, 9.0, 1.0)]
  soup = _soups.greedy_soup(models, lambda params: -abs(params['w'] - 0.4))
  assert soup.members == (0, 2)
  assert soup.params['w'] == 0.5


@pytest.mark.parametrize(
  'make', [_soups.uniform_soup, lambda t: _soups.greedy_soup(t, score)]
)
def test_what_is_no_soup_is_refused(make):
  with pytest.raises(ValueError, match='one tree at least'):
    make([])
  other = MODELS[0] | {'b': jnp.zeros(4)}
  with pytest.raises(ValueError, match=r"tree 1.*'b' should be float32\[3\]"):
    make([MODELS[0], other])
  other = MODELS[0] | {'step': jnp.array([3, 5])}
  with pytest.raises(ValueError, match=r"tree 1.*'step' is not floating-point"):
    make([MODELS[0], other])
  other = MODELS[0] | {'key': jax.random.key(2)}
  with pytest.raises(ValueError, match=r"tree 1.*'key' is not floating-point"):
    make([MODELS[0], other])


def test_a_score_that_is_nan_names_the_model():
  bad = {'w': jnp.full((5, 3), jnp.nan)}
  good = [{'w': m['w']} for m in MODELS[:2]]
  with pytest.raises(ValueError, match='score of model 2 is NaN'):
    _soups.greedy_soup([*good, bad], score)

  def fragile(params):
    mixed = not any(np.array_equal(params['w'], m['w']) for m in good)
    return np.nan if mixed else params['w'][0, 0]

  with pytest.raises(
    ValueError, match=r'score of model \d in a soup with \[\d'
  ):
    _soups.greedy_soup(good, fragile)
