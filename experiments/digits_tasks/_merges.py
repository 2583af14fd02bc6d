"""Tuned encoders, merged by every method and measured."""

import functools
import json
from collections.abc import Sequence

import jax
import ml_collections
import numpy as np

from experiments.tasks import variants
from experiments.training import digits
from paramspace import base
from paramspace import deltas
from paramspace import merging

FIELDS = ('normalized', 'validation', 'scale')

# What a recipe must know of each model, by the recipe's name.
STATISTICS = {'merging.fisher': 'fisher', 'merging.regmean': 'grams'}


def recipes(configs: ml_collections.ConfigDict) -> dict[str, base.Recipe]:
  """Returns the recipes of a config, by method.

  They are made once in a process, so that a program is compiled once for each
  recipe and number of models, and not again for another seed.

  Args:
    configs: By method, what `merging.loads` takes.

  Returns:
    Recipes, in the order of the methods' names.

  Raises:
    ValueError: If there is no such recipe or argument.
  """
  return {
    method: _recipe(json.dumps(configs[method].to_dict(), sort_keys=True))
    for method in sorted(configs)
  }


@functools.cache
def _recipe(text: str) -> base.Recipe:
  return merging.loads(text)


class Merges:
  """Merges of the encoders of one seed.

  Attributes:
    pretrained: The test accuracy of what all begin with, float32 `[tasks]`.
    single: That of each task's own encoder.
  """

  def __init__(
    self,
    program: digits.Program,
    data: variants.Variants,
    config: ml_collections.ConfigDict,
    model: digits.Model,
    tuned: base.Params,
  ):
    """Measures what is not merged, and what recipes must know.

    Args:
      program: That has trained them.
      data: The tasks.
      config: As in `configs/merging/digits_tasks.py`.
      model: What all begin with.
      tuned: The encoders, `[tasks, *s]`.
    """
    self._program, self._data, self._model = program, data, model
    self._recipes = recipes(config.recipes)
    self._scales = np.array(config.scales, np.float32)
    self._key = jax.random.key(config.seed)
    tasks = range(len(data.names))
    take = lambda task: jax.tree.map(lambda x: x[task], tuned)
    own = [take(task) for task in tasks]
    self._tuned = dict(zip(data.names, own, strict=True))
    known = {'grams': program.grams}
    known['fisher'] = lambda own, task: program.fisher(own, model.heads, task)
    used = {STATISTICS.get(r.config['name']) for r in self._recipes.values()}
    self._statistics = {
      kind: {data.names[task]: known[kind](own[task], task) for task in tasks}
      for kind in sorted(used - {None})
    }
    self._own_validation, self.single = (
      self._accuracy(tuned, tasks, split).diagonal()
      for split in (data.validation, data.test)
    )
    begin = jax.tree.map(lambda x: x[None], model.encoder)
    self.pretrained = self._accuracy(begin, tasks, data.test)[0]

  def measure(self, tasks: Sequence[int]) -> np.ndarray:
    """Merges the encoders of some tasks by every method.

    Args:
      tasks: Their indices.

    Returns:
      The `FIELDS` of each method, float32 `[methods, 3]`: accuracy over that of
      the tuned encoders, mean over the tasks, on the test split and on the
      validation split, at the scale that is best on the latter.
    """
    rows = [self._best(recipe, tasks) for recipe in self._recipes.values()]
    return np.array(rows, np.float32)

  def _best(self, recipe: base.Recipe, tasks: Sequence[int]) -> tuple:
    """Returns the `FIELDS` of one method."""
    at = list(tasks)
    names = [self._data.names[task] for task in tasks]
    known = self._statistics.get(STATISTICS.get(recipe.config['name']))
    merged = merging.merge(
      self._model.encoder,
      {name: self._tuned[name] for name in names},
      recipe,
      statistics=known and {name: known[name] for name in names},
      key=self._key,
    )
    # A recipe that has a scale is merged once, at 1, and then moved along.
    scales = self._scales if 'scale' in recipe.config else np.ones(1, 'float32')
    encoders = _along(self._model.encoder, merged, scales)
    held_out = self._accuracy(encoders, tasks, self._data.validation)
    validation = (held_out / self._own_validation[at]).mean(1)  # [k]
    best = int(validation.argmax())
    chosen = jax.tree.map(lambda x: x[best : best + 1], encoders)
    test = self._accuracy(chosen, tasks, self._data.test)[0] / self.single[at]
    return test.mean(), validation[best], scales[best]

  def _accuracy(self, encoders, tasks, split) -> np.ndarray:
    return self._program.accuracy(encoders, self._model.heads, tasks, split)


@jax.jit
def _along(
  origin: base.Params, merged: base.Params, scales: jax.Array
) -> base.Params:
  """Returns origin + scale (merged - origin) for each scale, `[k, *s]`."""
  delta = deltas.subtract(merged, origin)
  return jax.vmap(lambda scale: deltas.add(origin, delta, scale))(scales)
