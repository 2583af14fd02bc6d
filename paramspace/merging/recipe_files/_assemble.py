"""One recipe of many: another one for each model and leaf."""

import json
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from typing import Any

import jax

from paramspace import base
from paramspace import deltas

Given = Mapping[str, Any]


def assemble(
  make: Callable[[Given], base.Recipe],
  given: Mapping[str, Mapping[str, Given]],
) -> base.Recipe:
  """Returns the recipe that merges every leaf in its own way.

  Args:
    make: Returns a recipe, without rounds, from the values that hold for a
      model at a leaf. Its combine and its scale are the same for all models.
    given: Those values by leaf and model.

  Returns:
    What `make` returns, where all values are the same.
  """
  made = {}

  def one(values: Given) -> base.Recipe:
    key = json.dumps(values, sort_keys=True)
    if key not in made:
      made[key] = make(values)
    return made[key]

  table = {
    leaf: {model: one(values) for model, values in by_model.items()}
    for leaf, by_model in given.items()
  }
  if len(made) == 1:
    (recipe,) = made.values()
    return recipe
  any_model = {leaf: next(iter(row.values())) for leaf, row in table.items()}
  some = next(iter(any_model.values()))
  prune = None
  if some.prune is not None:
    models = next(iter(table.values()))
    prune = {
      model: _prune({leaf: row[model].prune for leaf, row in table.items()})
      for model in models
    }
  return base.Recipe(_combine(any_model), prune, draws=some.draws)


def _combine(recipes: Mapping[str, base.Recipe]) -> base.Combine:
  """Returns the combine that takes each leaf's own, times its own scale."""

  def apply(known: dict, leaf: base.Leaf) -> jax.Array:
    recipe = recipes[leaf.name]
    return recipe.scale * recipe.combine.apply(known, leaf)

  def check(leaf: base.Leaf) -> None:
    recipes[leaf.name].combine.check(leaf)

  def kind(name: str, shape: tuple[int, ...]) -> Hashable:
    return id(recipes[name]), recipes[name].combine.kind(name, shape)

  combines = [recipe.combine for recipe in recipes.values()]
  sums = all(combine.sums for combine in combines)
  return combines[0]._replace(apply=apply, check=check, sums=sums, kind=kind)


def _prune(prunes: Mapping[str, deltas.Prune]) -> deltas.Prune:
  """Returns the prune that takes each leaf's own."""

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    return prunes[name].apply(known, key, name, x)

  def kind(name: str, shape: tuple[int, ...]) -> Hashable:
    return id(prunes[name]), prunes[name].kind(name, shape)

  order = lambda name: prunes[name].order(name)
  return deltas.Prune(apply, kind=kind, order=order)
