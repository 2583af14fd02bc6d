import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import averaging
from paramspace import probes

X = np.asarray(
  np.random.default_rng(0).normal([3, -4, 0.1], [2, 0.5, 3], (48, 3)),
  np.float32,
)
BATCHES = [X[:32], X[32:]]


class Net(nn.Module):
  @nn.compact
  def __call__(self, x, train):
    x = nn.Dense(8)(x)
    x = nn.BatchNorm(not train, momentum=0.9, use_fast_variance=False)(x)
    return nn.Dense(1)(nn.relu(x))


NET = Net()


def trained(seed):
  """Another network, with its own statistics."""
  init = jax.jit(NET.init, static_argnums=2)
  return fresh()(init(jax.random.key(seed), X, True))


def update(variables, x):
  moved = NET.apply(variables, x, True, mutable='batch_stats')[1]
  return variables | moved


def fresh(update=update):
  return probes.fresh_batch_stats(update, BATCHES)


def measure(variables, x):
  """The statistics of a unit, and its spread once normalised with them."""
  kept = lambda module, _: module.name == 'BatchNorm_0'
  out = NET.apply(variables, x, False, capture_intermediates=kept)[1]
  (normal,) = out['intermediates']['BatchNorm_0']['__call__']
  stats = variables['batch_stats']['BatchNorm_0']
  found = {'mean': stats['mean'][2], 'var': stats['var'][2]}
  return found | {'spread': jnp.std(normal[:, 2])}


@pytest.fixture(scope='module')
def models():
  return trained(0), trained(1)


def test_statistics_at_each_point_are_those_of_the_data(models):
  path = probes.line(measure, *models, steps=5, data=X, prepare=fresh())
  for k, t in enumerate(path.t):
    dense = averaging.lerp(*models, t)['params']['Dense_0']
    dense = jax.tree.map(lambda x: np.asarray(x, np.float64), dense)
    seen = (X @ dense['kernel'] + dense['bias'])[:, 2]
    np.testing.assert_allclose(path.values['mean'][k], seen.mean(), rtol=1e-4)
    np.testing.assert_allclose(path.values['var'][k], seen.var(), rtol=1e-4)


def test_they_bring_back_the_variance_that_the_middle_has_lost(models):
  as_is = probes.line(measure, *models, steps=5, data=X).values['spread']
  np.testing.assert_allclose([as_is[0], as_is[-1]], 1, rtol=1e-3)
  assert as_is[2] < 0.95
  path = probes.line(measure, *models, steps=5, data=X, prepare=fresh())
  np.testing.assert_allclose(path.values['spread'], 1, rtol=1e-3)


def test_the_model_is_traced_once_for_all_points(models):
  traced = []

  def counted(variables, x):
    traced.append(1)
    return update(variables, x)

  same_shapes = [X[:24], X[24:]]
  prepare = probes.fresh_batch_stats(counted, same_shapes)
  probes.line(measure, *models, steps=4, data=X, prepare=prepare)
  assert len(traced) == 1


def test_statistics_may_lie_beside_the_parameters():
  """As in NNX, where a pattern tells them apart."""

  def update(variables, x):
    old = variables['norm']
    y = old['scale'][None] * x
    moved = {
      'mean': 0.5 * old['mean'] + 0.5 * y.mean(0),
      'var': 0.5 * old['var'] + 0.5 * y.var(0),
    }
    return {'norm': old | moved}

  ones = jnp.ones(3)
  a = {'norm': {'scale': ones, 'mean': 0 * ones, 'var': ones}}
  b = {'norm': {'scale': 3 * ones, 'mean': 0 * ones, 'var': ones}}
  prepare = probes.fresh_batch_stats(update, [X], '.*/(mean|var)')
  metric = lambda v: {n: x[0] for n, x in v['norm'].items()}
  path = probes.line(metric, a, b, steps=3, prepare=prepare)
  scale = np.array([1.0, 2.0, 3.0])
  np.testing.assert_allclose(path.values['scale'], scale, rtol=1e-6)
  mean, var = X[:, 0].mean(), X[:, 0].var()
  np.testing.assert_allclose(path.values['mean'], scale * mean, rtol=1e-5)
  np.testing.assert_allclose(path.values['var'], scale**2 * var, rtol=1e-5)


def test_bad_input_is_refused(models):
  with pytest.raises(ValueError, match='`batches` is an iterator'):
    probes.fresh_batch_stats(update, iter(BATCHES))
  with pytest.raises(ValueError, match='`batches` is empty'):
    probes.fresh_batch_stats(update, [])
  with pytest.raises(ValueError, match='matches no leaf'):
    probes.fresh_batch_stats(update, BATCHES, 'stats/.*')(models[0])
