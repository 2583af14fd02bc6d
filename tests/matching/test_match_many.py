"""Models share one frame, and going around a cycle is the identity."""

import functools
import itertools

import jax
import numpy as np
import pytest

from paramspace import matching
from paramspace import symmetry

F = symmetry.Factor
KEY = jax.random.key(0)
SPEC = symmetry.Spec(
  {'h0': symmetry.Group(8), 'h1': symmetry.Group(8)},
  {
    'in': (F(None, 6), F('h0', 8)),
    'mid': (F('h0', 8), F('h1', 8)),
    'out': (F('h1', 8), F(None, 5)),
  },
)
SHAPES = {'in': (6, 8), 'mid': (8, 8), 'out': (8, 5)}
NAMES = 'abcd'
act = jax.jit(functools.partial(symmetry.act, SPEC))


def draw(rng):
  return {n: rng.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}


def element(rng):
  shapes = {'h0': 8, 'h1': 8}
  return {n: rng.permutation(k).astype(np.int32) for n, k in shapes.items()}


def planted(noise):
  """Returns models, one and noise, permuted, and what moves them back."""
  rng = np.random.default_rng(1)
  origin, models, elements = draw(rng), {}, {}
  for name in NAMES:
    other, g = draw(rng), element(rng)
    mixed = {n: x + np.float32(noise) * other[n] for n, x in origin.items()}
    models[name] = act(g, mixed)
    back = {n: np.argsort(x).astype(np.int32) for n, x in g.items()}
    elements[name] = back
  return models, elements


def pair_sum(models, elements):
  moved = [act(elements[name], models[name]) for name in NAMES]
  return sum(
    float(np.vdot(x[n], y[n]))
    for x, y in itertools.combinations(moved, 2)
    for n in x
  )


@pytest.mark.parametrize('method', ['universe', 'mean', 'anchor'])
def test_models_that_are_permutations_of_one_meet(method):
  models, truth = planted(noise=0.2)
  found = matching.match_many(KEY, SPEC, models, method)
  got = pair_sum(models, found.elements)
  assert got == pytest.approx(pair_sum(models, truth), rel=1e-5)
  assert found.objective[-1] == pytest.approx(got, rel=1e-5)


@pytest.mark.parametrize('method', ['universe', 'mean', 'anchor'])
def test_a_cycle_of_models_is_the_identity_exactly(method):
  models = {name: draw(np.random.default_rng(ord(name))) for name in NAMES}
  found = matching.match_many(KEY, SPEC, models, method)
  between = jax.jit(
    lambda elements: functools.reduce(
      functools.partial(symmetry.compose, SPEC),
      [
        matching.between(SPEC, elements, to, model)
        for to, model in (('a', 'b'), ('b', 'c'), ('c', 'd'), ('d', 'a'))
      ],
    )
  )
  for g in between(found.elements).values():
    assert (np.asarray(g) == np.arange(8)).all()


def test_pair_by_pair_a_cycle_is_not_the_identity():
  models = {name: draw(np.random.default_rng(ord(name))) for name in NAMES}
  around = symmetry.identity(SPEC)
  for to, model in ('ab', 'bc', 'ca'):
    match = matching.frank_wolfe(KEY, SPEC, models[to], models[model])
    around = symmetry.compose(SPEC, around, match.element)
  assert any((np.asarray(g) != np.arange(8)).any() for g in around.values())


def test_the_universe_serves_all_pairs_better_than_an_anchor():
  models = {name: draw(np.random.default_rng(ord(name))) for name in NAMES}
  ends = {
    method: matching.match_many(KEY, SPEC, models, method)
    for method in ('universe', 'anchor')
  }
  assert ends['universe'].objective[-1] > ends['anchor'].objective[-1]


def test_the_anchor_stays_where_it_is():
  models, _ = planted(noise=0.2)
  found = matching.match_many(KEY, SPEC, models, 'anchor', anchor='c')
  for g in found.elements['c'].values():
    assert (np.asarray(g) == np.arange(8)).all()


def test_an_excluded_leaf_does_not_count():
  models, truth = planted(noise=0.2)
  mid = 100 * np.random.default_rng(5).normal(size=(8, 8)).astype(np.float32)
  models['b'] = models['b'] | {'mid': mid}
  found = matching.match_many(KEY, SPEC, models, 'anchor', exclude='mid')
  want = matching.between(SPEC, truth, 'a', 'b')
  got = matching.between(SPEC, found.elements, 'a', 'b')
  for group, g in want.items():
    assert (np.asarray(got[group]) == np.asarray(g)).all()


def test_a_sweep_of_the_mean_never_goes_down():
  models = {name: draw(np.random.default_rng(ord(name))) for name in NAMES}
  found = matching.match_many(KEY, SPEC, models, 'mean')
  assert found.sweeps > 1
  assert (np.diff(found.objective) >= 0).all()


def test_what_does_not_fit_is_named():
  models, _ = planted(noise=0.2)
  with pytest.raises(ValueError, match='two models or more'):
    matching.match_many(KEY, SPEC, {'a': models['a']})
  with pytest.raises(ValueError, match='`method` must be one of'):
    matching.match_many(KEY, SPEC, models, 'median')
  with pytest.raises(ValueError, match="got 'z' with 'anchor'"):
    matching.match_many(KEY, SPEC, models, 'anchor', anchor='z')
  bad = models | {'b': models['b'] | {'mid': models['b']['mid'] * np.nan}}
  with pytest.raises(ValueError, match="model 'b': leaf 'mid' has a value"):
    matching.match_many(KEY, SPEC, bad)
