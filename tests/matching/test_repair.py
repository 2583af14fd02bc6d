"""After repair the statistics are the goals, on the same batches."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import matching

SIZES = (4, 8, 8, 8, 3)
X = np.random.default_rng(1).normal(size=(64, 4)).astype(np.float32)
BATCHES = [X[:10], X[10:40], X[40:]]
SITES = ('d2', 'd0', 'd3', 'd1')  # In no order.


def model(seed):
  draw = np.random.default_rng(seed).normal
  tree = {}
  for i, (n, m) in enumerate(itertools.pairwise(SIZES)):
    kernel, bias = draw(size=(n, m)) * (2 / n) ** 0.5, 0.3 * draw(size=m)
    tree[f'd{i}'] = {'kernel': kernel, 'bias': bias}
  return jax.tree.map(lambda x: x.astype(np.float32), tree)


@jax.jit
def preactivations(params, x):
  found = {}
  for i in range(len(SIZES) - 1):
    layer = params[f'd{i}']
    found[f'd{i}'] = x @ layer['kernel'] + layer['bias'][None]
    x = jax.nn.relu(found[f'd{i}'])
  return found


def moments(params, of=preactivations):
  xs = {n: np.asarray(x, np.float64) for n, x in of(params, X).items()}
  flat = {n: x.reshape(-1, x.shape[-1]) for n, x in xs.items()}
  return {n: (x.mean(0), x.std(0)) for n, x in flat.items()}


def middle(*models, weights=(0.5, 0.5)):
  mix = lambda *xs: sum(p * x for p, x in zip(weights, xs, strict=True))
  return jax.tree.map(mix, *models)


@pytest.mark.parametrize('weights', [(0.5, 0.5), (0.8, 0.2)])
def test_means_and_deviations_are_the_means_of_the_models(weights):
  models = [model(0), model(1)]
  merged = middle(*models, weights=weights)
  found = matching.repair(
    preactivations, merged, models, BATCHES, SITES, weights=weights
  )
  assert found.deviation <= 1e-5 and found.passes <= 4
  got, of_a, of_b = map(moments, (found.params, *models))
  p, q = weights
  for site in got:
    for k in range(2):
      want = p * of_a[site][k] + q * of_b[site][k]
      np.testing.assert_allclose(got[site][k], want, atol=1e-5)


def test_a_repairer_does_the_same_and_measures_the_models_once():
  models, seen = [model(0), model(1)], []

  class Batches(list):
    def __iter__(self):
      seen.append(None)
      return super().__iter__()

  batches = Batches(BATCHES)
  repair = matching.repairer(preactivations, models, batches, SITES)
  assert len(seen) == 2
  for weights in ((0.5, 0.5), (0.8, 0.2)):
    merged = middle(*models, weights=weights)
    seen.clear()
    got = repair(merged, weights)
    assert len(seen) == got.passes + 1
    want = matching.repair(
      preactivations, merged, models, BATCHES, SITES, weights=weights
    )
    jax.tree.map(np.testing.assert_array_equal, got, want)
  with pytest.raises(ValueError, match='the merged model'):
    repair({'d0': models[0]['d0']})


def test_it_is_needed_and_deviations_are_no_variances():
  models = [model(0), model(1)]
  merged = middle(*models)
  before, *ends = map(moments, (merged, *models))
  found = matching.repair(preactivations, merged, models, BATCHES, SITES)
  after = moments(found.params)
  sd = [end['d2'][1] for end in ends]
  assert (before['d2'][1] < sum(sd) / 2).mean() > 0.9
  by_variance = np.sqrt((sd[0] ** 2 + sd[1] ** 2) / 2)
  assert abs(after['d2'][1] - by_variance).max() > 1e-2


def test_k_passes_put_k_layers_right():
  models = [model(0), model(1)]
  found = matching.repair(
    preactivations, middle(*models), models, BATCHES, ('d0',), tolerance=0.0
  )
  assert found.passes == 1
  got, of_a, of_b = map(moments, (found.params, *models))
  want = (of_a['d0'][1] + of_b['d0'][1]) / 2
  np.testing.assert_allclose(got['d0'][1], want, rtol=1e-5)
  assert abs(got['d1'][1] - (of_a['d1'][1] + of_b['d1'][1]) / 2).max() > 1e-3


def test_a_model_between_equals_is_left_alone():
  a = model(0)
  found = matching.repair(preactivations, a, [a, a], BATCHES, SITES)
  assert found.passes == 0
  assert found.params['d0']['kernel'] is a['d0']['kernel']


def conv_model(seed):
  rng = np.random.default_rng(seed)
  draw = lambda *s: rng.normal(size=s).astype(np.float32)
  return {
    'conv': {'kernel': draw(3, 3, 2, 4) / 4},
    'norm': {'scale': 1 + abs(draw(4)), 'bias': draw(4)},
  }


@jax.jit
def normalised(params, x):
  numbers = ('NHWC', 'HWIO', 'NHWC')
  y = jax.lax.conv_general_dilated(
    x, params['conv']['kernel'], (1, 1), 'SAME', dimension_numbers=numbers
  )
  y = y - y.mean(-1, keepdims=True)
  y = y / jnp.sqrt(jnp.square(y).mean(-1, keepdims=True) + 1e-6)
  scale, bias = (
    params['norm'][n].reshape(1, 1, 1, 4) for n in ('scale', 'bias')
  )
  return {'out': y * scale + bias}


def test_a_normalised_layer_is_repaired_by_its_own_scale():
  models = [conv_model(0), conv_model(1)]
  images = X[:45].reshape(5, 6, 6, 1) * np.ones((1, 1, 1, 2), np.float32)
  site = matching.Site('out', 'norm/scale', 'norm/bias')
  found = matching.repair(
    normalised, middle(*models), models, [images[:2], images[2:]], [site]
  )
  assert found.deviation <= 1e-5
  sd = lambda p: np.asarray(normalised(p, images)['out'], np.float64).std(
    (0, 1, 2)
  )
  want = (sd(models[0]) + sd(models[1])) / 2
  np.testing.assert_allclose(sd(found.params), want, rtol=1e-5)


def test_a_channel_that_never_changes_is_given_its_mean():
  models = [model(0), model(1)]
  merged = middle(*models)
  merged['d0']['kernel'][:, 2] = 0.0
  found = matching.repair(preactivations, merged, models, BATCHES, ('d0',))
  mean, sd = moments(found.params)['d0']
  want = sum(moments(m)['d0'][0][2] for m in models) / 2
  assert sd[2] == 0 and abs(mean[2] - want) < 1e-6
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(found.params))
  assert found.deviation > 0.01  # And that is reported.


def test_what_is_missing_is_named():
  a = model(0)
  call = lambda sites, batches=BATCHES, **more: matching.repair(
    preactivations, a, [a, a], batches, sites, **more
  )
  with pytest.raises(ValueError, match="'d9' needs the leaf 'd9/scale'"):
    call(['d9'])
  with pytest.raises(ValueError, match="no site 'x'; near misses"):
    call([matching.Site('x', 'd0/kernel', 'd0/bias')])
  with pytest.raises(ValueError, match='only once'):
    call(['d0'], iter(BATCHES))
  with pytest.raises(ValueError, match='2 numbers that sum to 1'):
    call(['d0'], weights=(0.5, 0.6))
  with pytest.raises(ValueError, match=r'shape \[4\] of axis 0'):
    call([matching.Site('d0', 'd0/kernel', 'd0/bias', axis=0)])
