"""Recipes as data: a name and its arguments."""

import difflib
import functools
import importlib
import inspect
import json
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from paramspace import base

PREFIX = 'merging.'


def recorded(make: Callable[..., base.Recipe]) -> Callable[..., base.Recipe]:
  """Makes a factory write its name and its arguments into the recipe."""

  @functools.wraps(make)
  def record(*args, **kwargs):
    bound = inspect.signature(make).bind(*args, **kwargs)
    bound.apply_defaults()
    config = {'name': PREFIX + make.__name__, **bound.arguments}
    return make(*args, **kwargs)._replace(config=config)

  return record


def dumps(recipe: base.Recipe) -> str:
  """Returns a recipe as JSON, from which `loads` makes it again.

  Args:
    recipe: From one of the factories of this package.

  Returns:
    One object: the name and every argument, defaults included.

  Raises:
    ValueError: If the recipe was put together by hand, or an argument is not
      known yet, as under `jit`; names it.

  Example:
    >>> from paramspace import merging
    >>> merging.dumps(merging.task_arithmetic(scale=0.3))
    '{"name": "merging.task_arithmetic", "scale": 0.3}'
  """
  if not recipe.config:
    raise ValueError(
      'The recipe has no `config`: it was put together by hand. Name a recipe '
      f'of `paramspace.merging`: {sorted(_factories())}.'
    )
  return json.dumps({k: _plain(k, v) for k, v in recipe.config.items()})


def loads(text: str) -> base.Recipe:
  """Makes a recipe from JSON.

  Args:
    text: One object. Its `name` is that of a recipe of this package, with or
      without 'merging.' before it; the others are its arguments.

  Returns:
    The recipe.

  Raises:
    ValueError: If the text is no such object, or there is no such recipe or
      argument; says which names are near.

  Example:
    >>> from paramspace import merging
    >>> merging.loads('{"name": "ties", "density": 0.1}').config['density']
    0.1
  """
  try:
    entry = json.loads(text)
  except json.JSONDecodeError as e:
    raise ValueError(f'The recipe is not JSON: {e}.') from None
  if not isinstance(entry, dict) or not isinstance(entry.get('name'), str):
    raise ValueError(
      f'A recipe is an object with a `name`, got {text[:80]!r}; for example '
      '\'{"name": "ties", "density": 0.2}\'.'
    )
  name = entry.pop('name').removeprefix(PREFIX)
  factories = _factories()
  if name not in factories:
    raise ValueError(_unknown('recipe', name, factories))
  parameters = inspect.signature(factories[name]).parameters
  for argument in entry:
    if argument not in parameters:
      raise ValueError(_unknown(f'argument of {name}', argument, parameters))
  return factories[name](**entry)


def _factories() -> dict[str, Callable[..., base.Recipe]]:
  """Returns the public functions of this package that return a recipe."""
  package = importlib.import_module('paramspace.merging')
  public = {n: getattr(package, n) for n in package.__all__ if n.islower()}
  makes = lambda f: inspect.signature(f).return_annotation is base.Recipe
  return {name: f for name, f in public.items() if makes(f) and name != 'loads'}


def _unknown(what: str, name: str, choices: Mapping[str, Any]) -> str:
  near = difflib.get_close_matches(name, list(choices), n=2, cutoff=0.0)
  return f'No {what} {name!r}; near: {near}. Have: {sorted(choices)}.'


def _plain(name: str, value: Any) -> Any:
  """Returns what JSON holds."""
  if isinstance(value, jax.core.Tracer):
    raise ValueError(f'`{name}` is traced and has no value yet: {value}.')
  if isinstance(value, np.ndarray | np.generic | jax.Array):
    return np.asarray(value).tolist()
  return dict(value) if isinstance(value, Mapping) else value
