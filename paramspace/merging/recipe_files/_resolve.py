"""What mergekit's settings come to, for each model at each leaf."""

import math
from collections.abc import Mapping
from typing import Any

from paramspace.merging.recipe_files import _methods
from paramspace.merging.recipe_files import _plan
from paramspace.merging.recipe_files import _settings
from paramspace.merging.recipe_files import _slots

# Of each leaf, by model: the value of each parameter.
Values = dict[str, dict[str, dict[str, Any]]]

SMALLEST = 1e-8  # Weights that sum to less are not divided by it.


def values(
  name: str,
  method: _methods.Method,
  merged: Mapping[str, _slots.Slot],
  slots: _slots.Slots,
) -> Values:
  """Returns the values of all parameters, for the leaves that are merged.

  Args:
    name: That of the method.
    method: What it takes.
    merged: The models that are merged, by name.
    slots: All models of the page.

  Raises:
    ValueError: If a value is missing, or not supported; names the leaf.
  """
  lead = slots.all[slots.base or 0]
  found = {}
  for leaf, entry in _plan.floating(lead.tree).items():
    shared = _find(method.shared, lead, leaf, slots, own=False)
    found[leaf] = {
      label: shared | _find(method.each, slot, leaf, slots, own=True)
      for label, slot in merged.items()
    }
    for label, given in found[leaf].items():
      _check(name, method, given, f'{label}, {lead.tree.stored(leaf)}')
      given['based'] = slots.base is not None
      if name == 'ties':
        given['density'] = at_least_one(given['density'], entry.size)
  return found


def of_recipe(given: Values) -> Values:
  """Returns the values that a recipe is made of; weights are not."""
  weighed = _weighed(given)
  return {
    leaf: {
      model: {k: v for k, v in row.items() if k != weighed}
      for model, row in rows.items()
    }
    for leaf, rows in given.items()
  }


def weights(method: _methods.Method, given: Values) -> dict[str, Any] | None:
  """Returns the weights of the models, as `merge` takes them."""
  key = _weighed(given)
  if key is None:
    return None
  found = {model: {} for model in next(iter(given.values()))}
  for leaf, rows in given.items():
    total = 1.0
    if method.divides and next(iter(rows.values()))['normalize']:
      total = math.fsum(row[key] for row in rows.values())
      total = total if abs(total) >= SMALLEST else 1.0
    for model, row in rows.items():
      found[model][leaf] = row[key] / total
  return {model: _one(row) for model, row in found.items()}


def at_least_one(density: float, size: int) -> float:
  """Returns the density by which as many are kept as mergekit keeps.

  It keeps one entry of the smallest leaves; the floor of a product keeps none.

  >>> [at_least_one(0.2, size) for size in (1, 2, 100)]
  [1.0, 0.75, 0.2]
  """
  none = density > 0 and math.floor(density * size) < 1
  return min(1.0, 1.5 / max(size, 1)) if none else density


def _find(
  parameters: Mapping[str, Any],
  slot: _slots.Slot,
  leaf: str,
  slots: _slots.Slots,
  own: bool,
) -> dict[str, Any]:
  """Returns the value of each parameter, of one model or of all."""
  scopes = slot.scopes(leaf)[0 if own else 1 :]
  called = slot.stored(leaf) if own else slot.tree.stored(leaf)
  graded = any(map(_settings.graded, scopes))
  depth = slots.depth(leaf) if graded else 0.0
  found = {
    parameter: _settings.find(scopes, parameter, called, depth)
    for parameter in parameters
  }
  return {
    parameter: parameters[parameter] if value is None else value
    for parameter, value in found.items()
  }


def _check(
  name: str, method: _methods.Method, given: Mapping[str, Any], where: str
) -> None:
  for parameter, value in given.items():
    if value is _methods.REQUIRED:
      raise ValueError(f'{name} needs the parameter {parameter!r} of {where}.')
    if parameter in method.only and value != method.only[parameter]:
      raise ValueError(
        f'{name}: {parameter} {value} is not supported, only '
        f'{method.only[parameter]}.'
      )


def _weighed(given: Values) -> str | None:
  """Returns the parameter that is handed over as the weights."""
  rows = [row for by_model in given.values() for row in by_model.values()]
  if 't' in rows[0]:  # One for all leaves is an argument of the recipe.
    return 't' if len({row['t'] for row in rows}) > 1 else None
  return next((key for key in ('weight', 'scale') if key in rows[0]), None)


def _one(by_leaf: Mapping[str, Any]) -> Any:
  """Returns the one value that all leaves have, or those of each."""
  found = set(by_leaf.values())
  return found.pop() if len(found) == 1 else dict(by_leaf)
