"""Recipes of all kinds: on disk what they are in memory, to the bit."""

import jax
import numpy as np
import pytest

from paramspace import merging
from paramspace import trees
from paramspace.files import lazy
from paramspace.files import safetensors

pytestmark = pytest.mark.optimized  # What is compared are bits.

SHAPES = {'Dense_0/kernel': (6, 4), 'Dense_0/bias': (4,)}
LARGER = {'Dense_0/kernel': (65, 33), 'Dense_0/bias': (33,)}
WEIGHTS = {'a': 0.7, 'b': 0.3}
KEY = jax.random.key(1)


def draw(seed, size, shapes):
  rng = np.random.default_rng(seed)
  return {
    n: size * rng.standard_normal(s, np.float32) for n, s in shapes.items()
  }


def models(names='ab', shapes=SHAPES):
  base = draw(0, np.float32(1), shapes)
  moved = {m: draw(i, np.float32(0.1), shapes) for i, m in enumerate(names, 1)}
  return base, {m: {n: base[n] + x[n] for n in base} for m, x in moved.items()}


def gram(seed):
  x = np.random.default_rng(seed).standard_normal((9, 6), np.float32)
  return {'Dense_0/kernel': x.T @ x}


GRAMS = {'a': gram(3), 'b': gram(4)}
RECIPES = {
  'breadcrumbs': (merging.breadcrumbs(0.7, 0.1), {'weights': WEIGHTS}),
  'iso_c': (merging.iso_c(), {'weights': WEIGHTS}),
  'iso_cts': (merging.iso_cts(), {}),
  'karcher': (merging.karcher(3), {'weights': WEIGHTS}),
  'model_stock': (merging.model_stock(), {}),
  'multislerp': (merging.multislerp(), {'weights': WEIGHTS}),
  'nuslerp': (merging.nuslerp('weights', per='row'), {'weights': WEIGHTS}),
  'regmean': (merging.regmean(0.9), {'statistics': GRAMS}),
  'slerp': (merging.slerp(0.3), {}),
  'tsv': (merging.tsv(), {}),
  'widen': (merging.widen(), {'weights': WEIGHTS}),
}


@pytest.mark.parametrize('name', RECIPES)
def test_the_result_is_that_of_merge(tmp_path, name):
  recipe, given = RECIPES[name]
  base, tuned = models()
  if name == 'slerp':
    tuned = {'a': tuned['a']}
  places = {}
  for model, leaves in {'base': base, **tuned}.items():
    places[model] = tmp_path / f'{model}.safetensors'
    safetensors.save(places[model], trees.nested(leaves))
  kept = {}
  for model, known in given.get('statistics', {}).items():
    kept[model] = tmp_path / f'{model}-known.safetensors'
    safetensors.save(kept[model], trees.nested(known))
  on_disk = given | ({'statistics': kept} if kept else {})
  merging.merge_files(
    places.pop('base'), places, tmp_path / 'out', recipe, **on_disk
  )
  nested = {m: trees.nested(x) for m, x in tuned.items()}
  in_memory = {
    k: {m: trees.nested(x) for m, x in v.items()} if k == 'statistics' else v
    for k, v in given.items()
  }
  wanted = merging.merge(trees.nested(base), nested, recipe, **in_memory)
  found = lazy.open(tmp_path / 'out')
  for leaf, x in trees.named(wanted).items():
    np.testing.assert_array_equal(found.read(leaf), x, err_msg=leaf)


@pytest.mark.parametrize('version', ['paper', 'vision'])
def test_scores_are_the_same_numbers_in_every_round(tmp_path, version):
  base, tuned = models('abc', LARGER)
  recipe = merging.pcb(0.3, version=version)
  merging.merge_files(base, tuned, tmp_path / 'out', recipe)
  found = lazy.open(tmp_path / 'out')
  for leaf, x in merging.merge(base, tuned, recipe).items():
    np.testing.assert_array_equal(found.read(leaf), x, err_msg=leaf)


@pytest.mark.parametrize('recipe', [merging.linear(), merging.ties(0.4)])
def test_leaves_of_float64_stay_so(tmp_path, recipe):
  draw = np.random.default_rng(0).normal
  leaves = lambda: {'w': draw(size=(8, 6)), 'n': np.float32(draw(size=6))}
  base, a, b = leaves(), leaves(), leaves()
  with jax.enable_x64(True):
    merging.merge_files(base, {'a': a, 'b': b}, tmp_path / 'out', recipe)
    wanted = merging.merge(base, {'a': a, 'b': b}, recipe)
    found = lazy.open(tmp_path / 'out')
    for name, x in wanted.items():
      assert found.leaves[name].dtype == x.dtype == base[name].dtype
      np.testing.assert_array_equal(found.read(name), x, err_msg=name)
