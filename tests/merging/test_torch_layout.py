"""PyTorch's leaves, outputs first: merged as Flax's, inputs first."""

import jax
import numpy as np
import pytest

from paramspace import merging
from paramspace import trees

# By name in Flax: PyTorch's name, and the shape in Flax.
LEAVES = {
  'Embed_0/embedding': ('embed_tokens/weight', (7, 4)),
  'up/kernel': ('up/weight', (4, 6)),
  'norm/scale': ('norm/weight', (4,)),
}
WEIGHTS = {'a': 0.7, 'b': 0.4}


def turned(name, x):
  return x.T if name == 'up/kernel' else x


def draw(seed):
  rng = np.random.default_rng(seed)
  return {n: rng.standard_normal(s, np.float32) for n, (_, s) in LEAVES.items()}


def as_torch(leaves):
  return trees.nested({LEAVES[n][0]: turned(n, x) for n, x in leaves.items()})


def gram(seed):
  x = np.random.default_rng(seed).standard_normal((9, 4), np.float32)
  return x.T @ x


def statistics(name):
  return {m: trees.nested({name: gram(i)}) for i, m in enumerate('ab')}


@pytest.mark.parametrize(
  'recipe',
  [
    merging.iso_c(),
    merging.iso_cts(),
    merging.tsv(),
    merging.widen(),
    merging.nuslerp('weights', per='row'),
    merging.nuslerp('weights', per='column'),
    merging.breadcrumbs(0.6, 0.2),
    merging.regmean(0.9),
  ],
  ids=lambda recipe: recipe.config['name'],
)
def test_a_tree_of_pytorch_is_merged_as_that_of_flax(recipe):
  base, a, b = (draw(seed) for seed in range(3))
  given, known = ({'weights': WEIGHTS} for _ in range(2))
  if recipe.config['name'] == 'merging.regmean':
    given['statistics'] = statistics('up/kernel')
    known['statistics'] = statistics('up/weight')
  flax = [trees.nested(x) for x in (base, a, b)]
  torch = [as_torch(x) for x in (base, a, b)]
  named = lambda x: dict(zip('ab', x[1:], strict=True))
  wanted = trees.named(merging.merge(flax[0], named(flax), recipe, **given))
  found = trees.named(merging.merge(torch[0], named(torch), recipe, **known))
  for name, x in wanted.items():
    got = turned(name, np.asarray(found[LEAVES[name][0]]))
    np.testing.assert_allclose(got, x, atol=2e-6, err_msg=name)


def test_della_draws_along_what_one_output_is_made_of():
  base = {'weight': np.zeros((2, 50), np.float32)}
  delta = {'weight': np.ones((2, 50), np.float32)}
  delta['weight'][0] *= 100  # Of a column it is always the larger.
  recipe = merging.della(0.5, window=0.98)
  kept = merging.merge(base, {'a': delta}, recipe, key=jax.random.key(0))
  counts = (np.asarray(kept['weight']) != 0).sum(1)
  assert (counts > 10).all() and (counts < 40).all()


def test_projections_one_after_another_are_those_of_flax():
  method = merging.opcm(0.5)
  flax, torch = (
    [make(draw(seed)) for seed in range(3)] for make in (trees.nested, as_torch)
  )
  merged = []
  for base, *tuned in (flax, torch):
    state = method.init(base)
    for model in tuned:
      state = method.update(base, model, state)
    merged.append(trees.named(method.value(base, state)))
  for name, (other, _) in LEAVES.items():
    got = turned(name, np.asarray(merged[1][other]))
    np.testing.assert_allclose(got, merged[0][name], atol=2e-6, err_msg=name)
