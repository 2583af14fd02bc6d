"""What a recipe needs beside the models: its prunes and its keys, checked."""

from collections.abc import Mapping
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.merging import _check
from paramspace.merging import _inputs


def check(recipe: base.Recipe, key: base.PRNGKey | None) -> None:
  """Raises unless it is a recipe, and has a key if it draws."""
  if not isinstance(recipe, base.Recipe):
    raise ValueError(
      f'`recipe` must be a Recipe such as `ties()`, got {recipe!r}.'
    )
  _check.one_of('origin', recipe.combine.origin, ('base', 'zero'))
  draws = recipe.prune is not None and recipe.draws
  if draws and key is None:
    raise ValueError(
      f'{recipe.config.get("name", "The recipe")} draws at random; give a '
      '`key`, such as jax.random.key(0).'
    )
  if recipe.combine.origin == 'zero' and recipe.prune is not None:
    raise ValueError(
      'The recipe prunes deltas, but what it combines are the models '
      "themselves: its origin is 'zero'."
    )


def prunes(
  recipe: base.Recipe, models: Sequence[str]
) -> base.Prune | tuple[base.Prune, ...] | None:
  """Returns the one prune of all models, or that of each in their order."""
  if not isinstance(recipe.prune, Mapping):
    return recipe.prune
  _inputs.same_keys('the prunes', recipe.prune, models)
  return tuple(recipe.prune[model] for model in models)


def keys(key: base.PRNGKey | None, models: Sequence[str]) -> base.PRNGKey:
  """Returns the models' keys `[n]`; without one, prunes draw nothing."""
  key = jax.random.key(0) if key is None else key
  return jnp.stack([trees.key_for(key, model) for model in models])
