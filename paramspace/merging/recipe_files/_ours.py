"""Our own recipe files."""

import json
import re
from collections.abc import Mapping
from typing import Any

from paramspace import base as types
from paramspace import trees
from paramspace.files import adapters
from paramspace.files import disk
from paramspace.merging import _config
from paramspace.merging import _vocabulary
from paramspace.merging.recipe_files import _beside
from paramspace.merging.recipe_files import _page
from paramspace.merging.recipe_files import _plan
from paramspace.merging.recipe_files import _slots

MARK = 'recipe'  # The key that only our pages have.
KEYS = (
  'base',
  'models',
  MARK,
  'seed',
  'out_dtype',
  'statistics',
  'vocabulary',
)
_MODEL_KEYS = ('path', 'adapter', 'weight')


def plan(
  page: Mapping[str, Any], open: _slots.Open, seed: int | None
) -> _plan.Plan:
  """Returns the merge that a page of ours describes.

  Args:
    page: See `KEYS`.
    open: Opens the model of a path.
    seed: In place of the page's; None for that.

  Raises:
    ValueError: If something is wrong; names it.
  """
  _page.check_keys('the page', page, KEYS, ['base', 'models', MARK])
  base = open(_page.text('base', page['base']))
  recipe = _recipe(page[MARK])
  models, weights = {}, {}
  if not isinstance(page['models'], Mapping) or not page['models']:
    raise ValueError(
      f'models: one or more by name, such as `math: models/math`; got '
      f'{page["models"]!r}.'
    )
  for name, entry in page['models'].items():
    where = f'models.{name}'
    entry = {'path': entry} if isinstance(entry, str) else entry
    _page.check_keys(where, entry, _MODEL_KEYS, ['path'])
    models[name] = _model(where, entry, base, open)
    weights[name] = _weight(f'{where}.weight', entry.get('weight', 1.0), base)
  dtype = _dtype(page.get('out_dtype'))
  beside, notes = _beside.config(base, None, dtype)
  return _plan.Plan(
    page,
    base,
    models,
    recipe,
    weights if any(w != 1.0 for w in weights.values()) else None,
    _statistics(page.get('statistics'), models, open),
    _seed(recipe, page.get('seed') if seed is None else seed),
    dtype,
    beside,
    tuple(notes),
    _vocabulary_of(page.get('vocabulary', 'same')),
  )


def _model(
  where: str, entry: Mapping[str, Any], base: disk.Tree, open: _slots.Open
) -> disk.Tree:
  """Opens a model; what is an adapter alone is one of the base."""
  tree = open(_page.text(f'{where}.path', entry['path']))
  adapter = entry.get('adapter')
  if adapter is not None:
    found = open(_page.text(f'{where}.adapter', adapter))
    return adapters.apply(tree, found.path)
  if adapters.is_adapter(tree.path):
    return adapters.apply(base, tree.path)
  return tree


def _recipe(entry: Any) -> types.Recipe:
  """Makes the recipe of a name alone, or a name and its arguments."""
  entry = {'name': entry} if isinstance(entry, str) else entry
  try:
    return _config.loads(json.dumps(entry))
  except TypeError as e:
    raise ValueError(f'{MARK}: {e}.') from None
  except ValueError as e:
    raise ValueError(f'{MARK}: {e}') from None


def _weight(where: str, entry: Any, base: disk.Tree) -> Any:
  """Returns a number, or that of the first pattern that matches each leaf."""
  if not isinstance(entry, Mapping):
    return _page.number(where, entry)
  leaves = list(_plan.floating(base))
  found, used = {}, set()
  for pattern, weight in entry.items():
    _page.number(f'{where}.{pattern}', weight)
  for leaf in leaves:
    for pattern, weight in entry.items():
      if _matches(where, pattern, leaf):
        found[leaf] = weight
        used.add(pattern)
        break
    else:
      raise ValueError(
        f"{where}: no pattern matches the leaf {leaf!r}; add '.*' as the last."
      )
  for pattern in entry:
    if pattern not in used:
      raise ValueError(
        f'{where}: {pattern!r} matches no leaf that an earlier one left; near '
        f'misses: {trees.nearest(pattern, leaves)}.'
      )
  return found


def _matches(where: str, pattern: str, leaf: str) -> bool:
  try:
    return re.fullmatch(pattern, leaf) is not None
  except re.error as e:
    raise ValueError(f'{where}: {pattern!r} is no pattern: {e}.') from None


def _statistics(
  entry: Any, models: Mapping[str, Any], open: _slots.Open
) -> dict[str, disk.Tree] | None:
  if entry is None:
    return None
  _page.check_keys('statistics', entry, models, models)
  return {
    name: open(_page.text(f'statistics.{name}', path))
    for name, path in entry.items()
  }


def _seed(recipe: types.Recipe, value: Any) -> int | None:
  """Returns the seed, which there must be if the recipe draws."""
  if value is None:
    if recipe.prune is not None and recipe.draws:
      name = recipe.config['name']
      raise ValueError(
        f'{name} draws at random; add a seed, such as `seed: 0`.'
      )
    return None
  if type(value) is not int or not 0 <= value < 1 << 32:
    raise ValueError(f'seed must be an integer, from 0 on, got {value!r}.')
  return value


def _dtype(name: Any) -> str | None:
  if name is None:
    return None
  _page.check_name('out_dtype', _page.text('out_dtype', name), _plan.DTYPES)
  return name


def _vocabulary_of(how: Any) -> str:
  how = _page.text('vocabulary', how)
  _page.check_name('vocabulary', how, _vocabulary.HOWS)
  return how
