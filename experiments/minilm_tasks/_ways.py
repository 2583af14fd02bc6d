"""The ways to one encoder, by name, each with what it is tried with."""

import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import ml_collections
import numpy as np
import optax

from experiments.minilm_tasks import _statistics
from experiments.sentence_finetuning import tuned
from experiments.tasks import sentences
from experiments.training import loop
from paramspace import base
from paramspace import deltas
from paramspace import merging
from paramspace import resolve

Models = Mapping[str, tuned.Tuned]


class Way(NamedTuple):
  """How a point merges.

  Attributes:
    tries: How many coefficients there are to choose from.
    merge: `(bench, models)`; yields each of them with the encoders it leads to,
      several where there is something that is not chosen, such as an order.
    by_task: Whether an encoder is one for each task instead.
  """

  tries: int
  merge: Callable[[tuned.Bench, Models], Iterator[tuple[float, list[Any]]]]
  by_task: bool = False


def make(config: ml_collections.ConfigDict) -> Way:
  """Returns the way that a config names.

  Args:
    config: See `configs/merging/minilm_tasks.py`.

  Raises:
    ValueError: If there is no such method, or its options are wrong.
  """
  name = config.method
  if name in _OTHERS:
    return _OTHERS[name](config)
  if name not in merging.__all__:
    known = [*_OTHERS, *merging.__all__]
    raise ValueError(resolve.unknown('method', name, known))
  choices, scaled = config.choices, config.coefficient == 'scale'
  options = [
    () if scaled else (config.coefficient, value) for value in choices
  ] or [()]
  recipes = [_recipe(name, *option) for option in options]

  def merge(bench, models):
    origin = bench.encoder.params
    one = functools.partial(
      merging.merge,
      origin,
      _dropped(config, bench, models),
      statistics=_statistics.gather(config, bench, models, name),
      key=jax.random.key(config.seed),
    )
    if scaled:
      delta = deltas.subtract(one(recipes[0]._replace(scale=1.0)), origin)
    for value, recipe in zip(choices or (1.0,), recipes, strict=True):
      yield value, [deltas.add(origin, delta, value) if scaled else one(recipe)]

  return Way(len(recipes), merge)


@functools.cache
def _recipe(name: str, *option: Any) -> base.Recipe:
  """Returns a recipe, the same one for all points, and so compiled once."""
  return getattr(merging, name)(**dict([option] if option else []))


def _dropped(
  config: ml_collections.ConfigDict, bench: tuned.Bench, models: Models
) -> dict[str, base.Params]:
  """Returns the models, of whose deltas entries were dropped (DARE)."""
  if not config.drop:
    return {name: model.params for name, model in models.items()}
  origin, prune, found = bench.encoder.params, deltas.drop(config.drop), {}
  for name, model in models.items():
    key = jax.random.fold_in(jax.random.key(config.seed), len(found))
    delta = prune(key, deltas.subtract(model.params, origin))
    found[name] = deltas.add(origin, delta)
  return found


def _pretrained(config: ml_collections.ConfigDict) -> Way:
  del config
  return _once(lambda bench, models: [bench.encoder.params])


def _single_task(config: ml_collections.ConfigDict) -> Way:
  del config
  each = lambda models: {name: model.params for name, model in models.items()}
  way = _once(lambda bench, models: [each(models)])
  return way._replace(by_task=True)


def _once(encoders: Callable[[tuned.Bench, Models], list[Any]]) -> Way:
  """Returns a way that has nothing to choose."""
  return Way(1, lambda bench, models: iter([(1.0, encoders(bench, models))]))


def _opcm(config: ml_collections.ConfigDict) -> Way:
  """Merges one after another, in several orders."""
  orders = np.random.default_rng(config.seed)
  method = _continual()

  def merge(bench, models):
    origin, found = bench.encoder.params, []
    for _ in range(config.orders):
      state = method.init(origin)
      for name in orders.permutation(sorted(models)):
        state = method.update(origin, models[name].params, state)
      found.append(method.value(origin, state))
    return found

  return _once(merge)


@functools.cache
def _continual() -> merging.Continual:
  method = merging.opcm()
  return method._replace(update=jax.jit(method.update))


def _adamerging(config: ml_collections.ConfigDict) -> Way:
  """Finds coefficients that make answers to validation texts sure."""
  of = config.adamerging

  def merge(bench, models):
    found = merging.adamerging(
      functools.partial(_entropy, bench, models),
      bench.encoder.params,
      {name: model.params for name, model in models.items()},
      _batches(config.seed, bench, of.steps, of.batch_size),
      per=of.per,
      optimizer=optax.adam(of.learning_rate),
    )
    return [found.params]

  return _once(merge)


def _entropy(
  bench: tuned.Bench, models: Models, params: base.Params, batch: Any
) -> jax.Array:
  """Returns the entropy of the answers, summed over the tasks."""
  total = 0.0
  for name, (tokens, frozen) in batch.items():
    answers = sentences.logits(
      bench.encoder, params, frozen, models[name].head, tokens
    )
    total += optax.softmax_cross_entropy(
      answers, jax.nn.softmax(answers)
    ).mean()
  return total


def _batches(seed: int, bench: tuned.Bench, steps: int, size: int):
  """Yields texts of every task, and the frozen part of the encoder."""
  for step in range(steps):
    batch = {}
    for name, task in bench.tasks.items():
      count = len(task.validation.labels)
      (at,) = loop.batches(seed, step, step + 1, count, size)
      tokens = jax.tree.map(lambda x: x[at], task.validation.tokens)  # noqa: B023
      batch[name] = tokens, bench.encoder.frozen
    yield batch


_OTHERS = {
  'pretrained': _pretrained,
  'single_task': _single_task,
  'opcm': _opcm,
  'adamerging': _adamerging,
}
