"""Our recipe files: what they mean, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas
from paramspace import merging
from paramspace.files import safetensors
from paramspace.merging import recipe_files

SHAPES = {'embed': (6, 4), 'layers/0/kernel': (4, 4), 'layers/0/bias': (4,)}

PAGE = """
base: base.safetensors
models:
  math: {path: math.safetensors, weight: 0.5}
  code: code.safetensors
recipe: {name: ties, density: 5e-1, compat: mergekit}
"""


def draw(seed):
  rng = np.random.default_rng(seed)
  return {n: rng.standard_normal(s, np.float32) for n, s in SHAPES.items()}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('pages')
  for seed, name in enumerate(('base', 'math', 'code')):
    safetensors.save(path / f'{name}.safetensors', draw(seed))
  return path


@pytest.fixture
def read(folder):
  def read(text, **kwargs):
    (folder / 'page.yaml').write_text(text)
    return recipe_files.read(folder / 'page.yaml', **kwargs)

  return read


def test_a_page_is_the_merge_that_it_says(read):
  plan = read(PAGE)
  trees = {n: {k: t.read(k) for k in t.leaves} for n, t in plan.models.items()}
  base = {name: plan.base.read(name) for name in plan.base.leaves}
  got = merging.merge(base, trees, plan.recipe, weights=plan.weights)
  expected = merging.merge(
    draw(0),
    {'math': draw(1), 'code': draw(2)},
    merging.ties(0.5, compat='mergekit'),
    weights={'math': 0.5, 'code': 1.0},
  )
  jax.tree.map(np.testing.assert_array_equal, got, expected)


def test_a_name_alone_is_a_recipe_with_its_defaults(read):
  plan = read(
    '{base: base.safetensors, models: {a: math.safetensors}, recipe: linear}'
  )
  assert merging.dumps(plan.recipe) == merging.dumps(merging.linear())
  assert plan.weights is None and plan.seed is None


def test_on_is_text_and_not_a_boolean(read):
  text = PAGE.replace(
    '{name: ties, density: 5e-1, compat: mergekit}',
    '{name: nuslerp, on: weights}',
  )
  assert read(text).recipe.config['on'] == 'weights'


def test_a_weight_is_that_of_the_first_pattern_that_matches(read):
  weight = "{'.*/bias': 0, 'layers/.*': 2, '.*': 1}"
  plan = read(PAGE.replace('weight: 0.5', f'weight: {weight}'))
  assert plan.weights == {
    'math': {'embed': 1, 'layers/0/kernel': 2, 'layers/0/bias': 0},
    'code': 1.0,
  }


def test_the_seed_of_the_call_is_before_that_of_the_page(read):
  assert read(PAGE + 'seed: 3').seed == 3
  assert read(PAGE + 'seed: 3', seed=4).seed == 4


def test_statistics_are_trees_of_their_own(read):
  same = 'statistics: {math: math.safetensors, code: base.safetensors}'
  plan = read(PAGE + same)
  np.testing.assert_array_equal(
    plan.statistics['code'].read('embed'), draw(0)['embed']
  )


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('base:', 'bsae:', "no 'bsae'; the nearest is 'base'"),
    ('recipe:', 'recipes:', 'must have either a `recipe`'),
    ('weight:', 'wieght:', "models.math: no 'wieght'; the nearest is 'weight'"),
    ('name: ties', 'name: tise', "No recipe 'tise'; near: ['ties'"),
    ('density:', 'densty:', "No argument of ties 'densty'; near: ['density'"),
    ('5e-1', '1.5', '`density` must lie in [0, 1], got 1.5'),
    ('0.5', 'half', "models.math.weight must be a finite number, got 'half'"),
    ('0.5', '.nan', 'must be a finite number, got nan'),
    ('0.5', 'true', 'must be a finite number, got True'),
    ('0.5', "{'embde': 1, '.*': 1}", "'embde' matches no leaf"),
    ('0.5', '{embed: 1}', "no pattern matches the leaf 'layers/0/bias'"),
    ('0.5', "{'(': 1}", "'(' is no pattern"),
    ('code.saf', 'cod.saf', 'cod.safetensors; what lies on the Hugging Face'),
    ('  code: code.safetensors\n', '  code: 3\n', 'models.code: here belong'),
    ('code:', 'math:', "line 5: the key 'math' comes twice"),
    ('code:', '7:', 'line 5: the key 7 is no text'),
    ('code.safetensors', '&a [*a]', 'aliases have no end'),
    ('code.safetensors', '*code', "found undefined alias 'code'"),
    ('recipe:', 'seed: -1\nrecipe:', 'seed must be an integer, from 0 on'),
    ('recipe:', 'seed: true\nrecipe:', 'seed must be an integer, from 0 on'),
    (
      'name: ties, density: 5e-1, compat: mergekit',
      'name: dare_ties',
      'merging.dare_ties draws at random; add a seed',
    ),
    ('recipe:', 'out_dtype: bf16\nrecipe:', "the nearest is 'bfloat16'"),
    ('recipe:', 'statistics: {math: base.safetensors}\nrecipe:', "'code' is m"),
    ('recipe:', 'x: !!python/name:os.system\nrecipe:', 'could not determine'),
    ('recipe:', '---\nrecipe:', 'but found another document'),
    ('recipe:', '}\nrecipe:', 'line 6: '),
    ('base:', 'base: [\nbase:', 'line'),
  ],
)
def test_what_is_wrong_is_one_line_that_names_it(read, old, new, message):
  assert old in PAGE
  with pytest.raises(ValueError) as caught:
    read(PAGE.replace(old, new, 1))
  assert message in str(caught.value)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('text', ['', '- a\n', 'text', '\x00', 'a: \ud800'])
def test_what_is_no_page_is_refused(folder, text):
  (folder / 'page.yaml').write_bytes(text.encode(errors='surrogatepass'))
  with pytest.raises(ValueError, match=r'page\.yaml'):
    recipe_files.read(folder / 'page.yaml')


def test_a_recipe_is_no_larger_than_a_page(folder):
  (folder / 'page.yaml').write_text('#' * (1 << 21))
  with pytest.raises(ValueError, match='a recipe is one page'):
    recipe_files.read(folder / 'page.yaml')


def test_paths_are_looked_for_beside_the_page(read, folder, monkeypatch):
  monkeypatch.chdir('/')
  assert read(PAGE).base.files == [folder / 'base.safetensors']


def test_models_may_be_pruned_in_different_ways():
  base = {'w': jnp.zeros(4)}
  tuned = {'a': {'w': jnp.arange(1.0, 5)}, 'b': {'w': jnp.arange(1.0, 5)}}
  prunes = {'a': deltas.trim(0.5), 'b': deltas.trim(0.25)}
  recipe = merging.task_arithmetic()._replace(prune=prunes, draws=False)
  np.testing.assert_array_equal(
    merging.merge(base, tuned, recipe)['w'], [0, 0, 3, 8]
  )
  with pytest.raises(ValueError, match=r"the prunes .* missing \['b'\]"):
    recipe = recipe._replace(prune={'a': deltas.trim(0.5)})
    merging.merge(base, tuned, recipe)
