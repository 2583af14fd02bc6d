"""Values that are not finite are found, in what is given or in what comes out.

A look at each value costs as much as a merge, so one at the result must do.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging

BASE = {'v': jnp.ones(3), 'w': jnp.ones((4, 2))}
RECIPES = [merging.linear(), merging.task_arithmetic(), merging.ties(0.5)]
every_recipe = pytest.mark.parametrize(
  'recipe', RECIPES, ids=lambda recipe: recipe.config['name']
)


@every_recipe
@pytest.mark.parametrize('value', [jnp.nan, jnp.inf])
@pytest.mark.parametrize('weight', [1.0, 0.0])
def test_a_model_with_a_value_that_is_not_finite_is_named(
  recipe, value, weight
):
  bad = BASE | {'w': BASE['w'].at[2, 1].set(value)}
  with pytest.raises(ValueError, match="'w' of 'b' has 1 values that are not"):
    merging.merge(
      BASE, {'a': BASE, 'b': bad}, recipe, weights={'a': 1.0, 'b': weight}
    )


@every_recipe
def test_values_whose_squares_are_too_large_are_merged(recipe):
  large = jax.tree.map(lambda x: 1e30 * x, BASE)
  out = merging.merge(large, {'a': large, 'b': large}, recipe)
  jax.tree.map(np.testing.assert_array_equal, out, large)


@every_recipe
def test_a_result_that_is_too_large_is_refused(recipe):
  large = BASE | {'v': jnp.full(3, 9e4)}
  merge = functools.partial(merging.merge, BASE, {'a': large}, recipe)
  assert merge()['v'].max() > 8e4
  with pytest.raises(ValueError, match="'v' of the result is too large for fl"):
    merge(out_dtype=jnp.float16)


def test_the_base_counts_for_nothing_in_an_average():
  base = BASE | {'v': jnp.full(3, jnp.nan)}
  out = merging.merge(base, {'a': BASE}, merging.linear())
  jax.tree.map(np.testing.assert_array_equal, out, BASE)
