"""Recipes as text."""

import jax
import numpy as np
import pytest

from paramspace import merging
from paramspace import resolve


def test_a_recipe_comes_back_from_its_text_and_merges_alike():
  recipe = merging.ties(0.5, scale=0.7, reduce='sum', scope='leaf')
  again = merging.loads(merging.dumps(recipe))
  assert again.config == recipe.config
  base, tuned = {'w': np.zeros(5, np.float32)}, {'a': {'w': np.arange(5.0)}}
  tuned['a']['w'] = tuned['a']['w'].astype(np.float32)
  np.testing.assert_array_equal(
    merging.merge(base, tuned, again)['w'],
    merging.merge(base, tuned, recipe)['w'],
  )


def test_a_config_is_an_entry_that_the_launcher_resolves():
  recipe = merging.dare_ties(rate=0.8)
  assert resolve.from_config(recipe.config).config == recipe.config


def test_numbers_of_arrays_are_written_as_numbers():
  text = merging.dumps(merging.task_arithmetic(np.float32(0.5)))
  assert text == '{"name": "merging.task_arithmetic", "scale": 0.5}'


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('{"name": "teis"}', r"No recipe 'teis'; near: \['ties"),
    ('{"name": "merge"}', "No recipe 'merge'"),
    ('{"name": "loads"}', "No recipe 'loads'"),
    ('{"name": "os.system"}', "No recipe 'os.system'"),
    (
      '{"name": "ties", "densty": 1}',
      r"argument of ties 'densty'; near: \['den",
    ),
    (
      '{"name": "ties", "density": 2}',
      r'`density` must lie in \[0, 1\], got 2',
    ),
    ('{"density": 1}', 'an object with a `name`'),
    ('[]', 'an object with a `name`'),
    ('ties', 'is not JSON'),
  ],
)
def test_text_that_is_no_recipe_is_refused(text, message):
  with pytest.raises(ValueError, match=message):
    merging.loads(text)


def test_a_recipe_without_a_name_or_a_value_has_no_text():
  with pytest.raises(ValueError, match='put together by hand'):
    merging.dumps(merging.ties()._replace(config={}))

  @jax.jit
  def write(scale):
    return merging.dumps(merging.ties(scale=scale))

  with pytest.raises(ValueError, match='`scale` is traced'):
    write(1.0)
