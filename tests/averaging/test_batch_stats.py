import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from paramspace import sharding
from paramspace.averaging import _batch_stats

KEY = jax.random.key(0)
# Far from zero mean and unit variance, and the last batch is short.
X = np.asarray(
  np.random.default_rng(0).normal([3, -40, 0.1], [2, 0.5, 30], (100, 3)),
  np.float32,
)
BATCHES = [X[k : k + 32] for k in range(0, 100, 32)]
reestimate = _batch_stats.reestimate_batch_stats


def norm(momentum, train=True, name=None):
  # The fast variance of Flax, E[x^2] - E[x]^2, is 4e-4 off on these data.
  return nn.BatchNorm(
    not train, momentum=momentum, use_fast_variance=False, name=name
  )


class Net(nn.Module):
  momenta: tuple[float, float] = (0.9, 0.99)

  @nn.compact
  def __call__(self, x, train=True):
    x = norm(self.momenta[0], train, 'first')(x)
    x = nn.tanh(nn.Dense(5)(x))
    return norm(self.momenta[1], train, 'last')(x)


def linen(net, train=True):
  variables = net.init(KEY, X[:2])
  params, stats = variables['params'], variables['batch_stats']

  def update(stats, batch):
    both = {'params': params, 'batch_stats': stats}
    return net.apply(both, batch, train, mutable='batch_stats')[1][
      'batch_stats'
    ]

  return update, stats, params


def hidden(params, batch):
  """What the last layer sees of a batch, in float64."""
  x = np.asarray(batch, np.float64)
  x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
  first = jax.tree.map(lambda p: np.asarray(p, np.float64), params)
  x = x * first['first']['scale'] + first['first']['bias']
  return np.tanh(x @ first['Dense_0']['kernel'] + first['Dense_0']['bias'])


def oracle(batches, variance):
  """The statistics of batches of examples, in float64."""
  batches = [np.asarray(x, np.float64) for x in batches]
  whole = np.concatenate(batches)
  if variance == 'pooled':
    return whole.mean(0), whole.var(0)
  sizes = [len(x) for x in batches]
  return whole.mean(0), np.average([x.var(0) for x in batches], 0, sizes)


@pytest.mark.parametrize('variance', ['pooled', 'mean'])
def test_layers_of_two_momenta_get_the_statistics_of_the_data(variance):
  update, stats, params = linen(Net())
  got = reestimate(update, stats, BATCHES, variance)
  seen = {'first': BATCHES, 'last': [hidden(params, x) for x in BATCHES]}
  for layer, batches in seen.items():
    mean, var = oracle(batches, variance)
    np.testing.assert_allclose(got[layer]['mean'], mean, rtol=3e-6, atol=1e-6)
    np.testing.assert_allclose(got[layer]['var'], var, rtol=3e-6)


def test_the_first_layer_gets_those_of_one_large_batch():
  update, stats, _ = linen(Net())
  got, want = (reestimate(update, stats, b)['first'] for b in (BATCHES, [X]))
  np.testing.assert_allclose(got['mean'], want['mean'], rtol=1e-6, atol=1e-6)
  np.testing.assert_allclose(got['var'], want['var'], rtol=1e-6)


@pytest.mark.parametrize('momenta', [(0.0, 0.5), (0.9997, 1 - 2**-12)])
def test_any_momentum_is_found(momenta):
  update, stats, _ = linen(Net(momenta))
  got = reestimate(update, stats, BATCHES)
  want = reestimate(*linen(Net())[:2], BATCHES)
  for layer in ('first', 'last'):
    for name in ('mean', 'var'):
      np.testing.assert_allclose(
        got[layer][name], want[layer][name], rtol=1e-5, atol=1e-6
      )


def test_the_old_statistics_do_not_matter():
  update, stats, _ = linen(Net())
  other = jax.tree.map(lambda x: x + 7, stats)
  one, two = (reestimate(update, s, BATCHES) for s in (stats, other))
  jax.tree.map(np.testing.assert_array_equal, one, two)


class Nnx(nnx.Module):
  def __init__(self, rngs):
    self.norm = nnx.BatchNorm(
      3, momentum=0.95, use_fast_variance=False, rngs=rngs
    )

  def __call__(self, x):
    return self.norm(x)


def test_an_nnx_module_needs_nothing_else():
  graph, old, rest = nnx.split(Nnx(nnx.Rngs(0)), nnx.BatchStat, ...)

  def update(stats, batch):
    filled = jax.tree.map(lambda x: x, old)
    nnx.replace_by_pure_dict(filled, stats)
    model = nnx.merge(graph, filled, rest)
    model(batch)
    return nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

  got = reestimate(update, nnx.to_pure_dict(old), BATCHES)['norm']
  mean, var = oracle(BATCHES, 'pooled')
  np.testing.assert_allclose(got['mean'], mean, rtol=3e-6)
  np.testing.assert_allclose(got['var'], var, rtol=3e-6)


def plain(stats, batch, share=0.1, mean='mean', var='var'):
  """A layer of another kind: other names, and a count."""
  x, _ = batch
  new = {mean: x.mean(0), var: x.var(0)}
  moved = {n: stats[n] + share * (new[n] - stats[n]) for n in new}
  return stats | moved | {'count': stats['count'] + 1}


def plain_stats(mean='mean', var='var', dtype=jnp.float32):
  zeros = jnp.zeros(3, dtype)
  return {mean: zeros, var: zeros, 'count': jnp.array(5)}


def test_names_can_be_others_and_counts_are_carried():
  update = lambda s, b: plain(s, b, mean='mu', var='sigma2')
  stats = plain_stats('mu', 'sigma2')
  batches = [(x, 0) for x in BATCHES]
  got = reestimate(update, stats, batches, mean='mu', var='sigma2')
  mean, var = oracle(BATCHES, 'pooled')
  np.testing.assert_allclose(got['mu'], mean, rtol=3e-6)
  np.testing.assert_allclose(got['sigma2'], var, rtol=3e-6)
  assert got['count'] == 5


def test_narrow_statistics_are_rounded_once():
  batches = [(x, 0) for x in BATCHES]
  wide = reestimate(plain, plain_stats(), batches)
  narrow = reestimate(plain, plain_stats(dtype=jnp.bfloat16), batches)
  for name in ('mean', 'var'):
    want = wide[name].astype(jnp.bfloat16)
    np.testing.assert_array_equal(narrow[name], want)


def test_many_small_batches_lose_nothing():
  x = np.float32(1000) + X[:, :1] / 100
  layer = norm(0.99)
  variables = layer.init(KEY, x)

  def update(stats, batch):
    both = variables | {'batch_stats': stats}
    return layer.apply(both, batch, mutable='batch_stats')[1]['batch_stats']

  batches = [x[k : k + 2] for k in range(0, 100, 2)] * 10
  got = reestimate(update, variables['batch_stats'], batches)
  mean, var = oracle([x], 'pooled')
  np.testing.assert_allclose(got['mean'], mean, rtol=2e-7)
  np.testing.assert_allclose(got['var'], var, rtol=2e-3)


def test_statistics_stay_where_they_are():
  place = jax.NamedSharding(sharding.mesh(), jax.P())
  update, stats, _ = linen(Net())
  stats = jax.device_put(stats, place)
  got = reestimate(update, stats, BATCHES)
  assert all(x.sharding == place for x in jax.tree.leaves(got))


def test_a_model_that_is_not_in_training_is_refused():
  update, stats, _ = linen(Net(), train=False)
  with pytest.raises(ValueError, match=r"'first/mean'.*in training"):
    reestimate(update, stats, BATCHES)


@pytest.mark.parametrize(
  'moved',
  [
    lambda s, x: 0.9 * s**2 + 0.1 * x.mean(0),
    lambda s, x: jnp.maximum(s, x.mean(0)),
    lambda s, x: jnp.array([0.9, 0.8, 0.7]) * s + x.mean(0),
    lambda s, x: 0.9 * s + 0.1 * jnp.nan * x.mean(0),
    lambda s, x: 1.1 * s - 0.1 * x.mean(0),
  ],
)
def test_what_is_not_affine_is_refused(moved):
  update = lambda s, b: plain(s, b) | {'mean': moved(s['mean'], b[0])}
  with pytest.raises(ValueError, match=r"Leaf 'mean' does not move"):
    reestimate(update, plain_stats(), [(x, 0) for x in BATCHES])


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda u, s: reestimate(u, s, []), '`batches` is empty'),
    (lambda u, s: reestimate(u, s, [X], 'exact'), "got 'exact'"),
    (lambda u, s: reestimate(u, s, [X], var='v'), r"'first/mean'.*first/v"),
    (lambda u, s: reestimate(u, s, [X[0, 0]]), r'first leaf.*\(\)'),
    (lambda u, s: reestimate(u, {'count': jnp.array(1)}, [X]), 'no floating'),
    (lambda u, s: reestimate(lambda s, b: {}, s, [X]), 'that `update` returns'),
  ],
)
def test_bad_input_is_refused(call, message):
  update, stats, _ = linen(Net())
  with pytest.raises(ValueError, match=message):
    call(update, stats)
