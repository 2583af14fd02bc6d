"""Moments are exact however they are streamed, and units find each other."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import matching
from paramspace import symmetry

F, P = symmetry.Factor, symmetry.Product

SPEC = symmetry.Spec(
  {'hidden': symmetry.Group(5)},
  {
    'in': (F(None, 3), F('hidden', 5)),
    'bias': (F('hidden', 5),),
    'out': (F('hidden', 5), F(None, 2)),
  },
)


@jax.jit
def hidden(params, x):
  return {'hidden': jax.nn.relu(x @ params['in'] + params['bias'][None])}


def model(seed):
  rng = np.random.default_rng(seed)
  draw = lambda *s: rng.normal(size=s).astype(np.float32)
  return {'in': draw(3, 5), 'bias': draw(5), 'out': draw(5, 2)}


X = np.random.default_rng(9).normal(1, size=(60, 3)).astype(np.float32)
G = {'hidden': np.array([3, 0, 4, 1, 2], np.int32)}
act = jax.jit(functools.partial(symmetry.act, SPEC))
CUTS = [slice(0, 7), slice(7, 8), slice(8, 40), slice(40, 60)]


def statistics(a, b, cuts=CUTS):
  batches = [X[cut] for cut in cuts]
  return matching.activation_statistics(SPEC, hidden, a, b, batches)


def test_moments_are_those_of_all_examples_at_once():
  a, b = model(0), model(1)
  found = statistics(a, b)['hidden']
  x, y = (np.asarray(hidden(p, X)['hidden'], np.float64) for p in (a, b))
  assert found.count == 60
  covariance = np.cov(x.T, y.T, bias=True)
  close = lambda got, want: np.testing.assert_allclose(got, want, atol=1e-6)
  close(found.mean_a, x.mean(0))
  close(found.squares_b / 60, y.var(0))
  close(found.products / 60, covariance[:5, 5:])


def test_the_order_of_batches_does_not_matter():
  a, b = model(0), model(1)
  # The same arrays for each order: only what is summed is reordered.
  each = [statistics(a, b, [cut]) for cut in CUTS]
  totals = []
  for order in itertools.permutations(each):
    total = order[0]
    for other in order[1:]:
      total = matching.add_statistics(total, other)
    totals.append(total['hidden'])
  left, right = (matching.add_statistics(*each[i : i + 2]) for i in (0, 2))
  totals.append(matching.add_statistics(left, right)['hidden'])
  for total in totals[1:]:
    for got, want in zip(total, totals[0], strict=True):
      np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('measure', ['correlation', 'inner'])
def test_a_planted_permutation_is_found(measure):
  a = model(0)
  b = act(G, a)
  found = matching.activation_matching(SPEC, statistics(a, b), measure=measure)
  assert (found.element['hidden'] == np.argsort(G['hidden'])).all()


@pytest.mark.parametrize('measure', ['correlation', 'inner'])
def test_the_sum_is_the_largest_of_all_permutations(measure):
  stats = statistics(model(0), model(1))
  found = matching.activation_matching(
    SPEC, stats, measure=measure, epsilon=1e-4
  )
  x = stats['hidden']
  if measure == 'inner':
    values = x.products / 60 + np.outer(x.mean_a, x.mean_b)
  else:
    sds = [np.sqrt(s / 60) + 1e-4 for s in (x.squares_a, x.squares_b)]
    values = x.products / 60 / np.outer(*sds)
  best = max(
    values[np.arange(5), list(g)].sum()
    for g in itertools.permutations(range(5))
  )
  np.testing.assert_allclose(found.objective, [best], rtol=1e-12)


def test_dead_units_take_the_places_that_are_left():
  a = model(0)
  for k in (1, 3):
    a['bias'][k] = -1e3
  b = act(G, a)
  found = matching.activation_matching(SPEC, statistics(a, b))
  assert np.isfinite(found.objective).all()
  moved = act(found.element, b)
  alive = [0, 2, 4]
  assert (moved['in'][:, alive] == a['in'][:, alive]).all()
  assert sorted(found.element['hidden'].tolist()) == [0, 1, 2, 3, 4]


def heads_spec():
  groups = {
    'layer': symmetry.Group(2, moves=False),
    'heads': symmetry.Group(3),
    'unit': symmetry.Group(4, over=('layer', 'heads')),
  }
  axis = P((F('heads', 3), F('unit', 4)))
  return symmetry.Spec(groups, {'w': (F('layer', 2), F(None, 6), axis)})


def test_heads_are_matched_by_the_best_match_of_their_units():
  spec = heads_spec()
  rng = np.random.default_rng(5)
  a = {'w': rng.normal(size=(2, 6, 12)).astype(np.float32)}
  units_of = np.argsort(rng.random((2, 3, 4)), -1).astype(np.int32)
  g = {'heads': np.array([2, 0, 1], np.int32), 'unit': units_of}
  moves = jax.jit(functools.partial(symmetry.act, spec))
  b = moves(g, a)

  def units(params, x):
    y = jnp.einsum('ni,lij->nlj', x, params['w'])
    return {'unit': y.reshape(-1, 2, 3, 4)}

  x = rng.normal(size=(40, 6)).astype(np.float32)
  stats = matching.activation_statistics(spec, units, a, b, [x[:20], x[20:]])
  found = matching.activation_matching(spec, stats)
  assert (moves(found.element, b)['w'] == a['w']).all()


def test_what_does_not_fit_is_named():
  a = model(0)
  wrong = lambda p, x: {'hiden': x @ p['in']}
  with pytest.raises(ValueError, match="'hiden', which the spec"):
    matching.activation_statistics(SPEC, wrong, a, a, [X])
  flat = lambda p, x: {'hidden': x}
  with pytest.raises(ValueError, match=r'should be \[..., 5\], got \[60, 3\]'):
    matching.activation_statistics(SPEC, flat, a, a, [X])
  with pytest.raises(ValueError, match='is empty'):
    matching.activation_statistics(SPEC, hidden, a, a, [])
  with pytest.raises(ValueError, match='not finite'):
    statistics(a, {**a, 'bias': a['bias'] + np.float32(np.nan)})
  with pytest.raises(ValueError, match='`measure` must be one of'):
    matching.activation_matching(SPEC, {}, measure='cosine')
