"""Soups: averages of models that were fine-tuned from one initialisation.

A point trains `sets` sets of `members` models. Those of a set begin with the
same weights, a network trained for a little on a part of the data, and differ
in the order of the data, the learning rate and the weight decay; or, with
`shared` false, begin apart. Soups are chosen on held-out examples, and measured
in distribution and out of it.

References:
  Wortsman et al, 2022, Model soups, https://arxiv.org/abs/2203.05482. Rame et
  al, 2022, Diverse Weight Averaging for Out-of-Distribution Generalization,
  https://arxiv.org/abs/2205.09739.
"""

import math
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import data as datasets
from experiments import tasks
from experiments.soups import _recipes
from experiments.soups import bias_variance
from experiments.tasks import shifts
from experiments.training import loop
from experiments.training import soups as soups_training
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains the members of all sets, and averages them.

  Args:
    config: See `configs/averaging/soups_mnist.py`.
    run: A `launch.run.Run`.

  Returns:
    What `_recipes.measure` does, for every split; how many models are in
    the greedy and the DiWA soup of each set, and its locality; D, and sha256s.
  """
  with errors.usage():
    task, splits = _data(config)
    program = soups_training.Program(task, config)
    row = soups_training.rows(config)
  saved = _train(config, run, task.name, program, row)
  models = [_of_set(saved, config.sets, s) for s in range(config.sets)]
  cooked = [
    _recipes.cook(
      config, m.tuned, splits['validation'], program.accuracy, task.loss
    )
    for m in models
  ]
  metrics = {
    f'{name}/{key}': value
    for name, split in splits.items()
    for key, value in _recipes.measure(
      program.probabilities, split, models, cooked
    ).items()
  }
  return {
    'status': 'done' if _finite(metrics) else 'diverged',
    **metrics,
    'greedy_size': [c.greedy_size for c in cooked],
    'diwa_size': [c.diwa_size for c in cooked],
    'locality': [float(bias_variance.locality(m.tuned)) for m in models],
    'D': trees.size(cooked[0].soups['uniform']),
    'data_digest': task.digest,
    'digest': manifest.digest([c.soups for c in cooked]),
  }


class _Saved(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    initial: The initialisations. They could be trained again, but not by a JAX
      that draws other numbers.
    row: How the members are fine-tuned.
    state: What changes.
  """

  initial: base.Params
  row: soups_training.Row
  state: soups_training.State


def _train(
  config: Config,
  run: Any,
  name: str,
  program: soups_training.Program,
  row: soups_training.Row,
) -> _Saved:
  """Trains the initialisations, then from them all members of all sets."""
  initial, examples = program.pretrain(), config.finetune.examples
  begin = initial
  if config.shared:
    repeat = lambda x: jnp.repeat(x, config.members, axis=0)
    begin = jax.tree.map(repeat, initial)

  def advance(saved, first, last):
    state, loss = program.train(saved.state, saved.row, first, last, examples)
    return saved._replace(state=state), {'train_loss': loss.mean()}

  return loop.train(
    run,
    _Saved(initial, row, program.start(begin, row)),
    loop.stops(
      config.finetune.epochs * (examples // config.batch_size),
      config.execution.log_every,
    ),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{name}: {config.sets} sets of {config.members}',
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )


def _of_set(saved: _Saved, sets: int, index: int) -> _recipes.Models:
  """Returns the models of one set."""
  take = lambda x: x.reshape(sets, -1, *x.shape[1:])[index]
  return _recipes.Models(
    jax.tree.map(take, saved.initial), jax.tree.map(take, saved.state.params)
  )


def _data(config: Config) -> tuple[tasks.Task, dict[str, tasks.Split]]:
  """Returns the task, less what is held out, and the splits by name."""
  task = tasks.make(data=config.data, model=config.model)
  images, labels = task.train
  cut = len(labels) - config.validation
  for name in 'pretrain', 'finetune':
    examples = config[name].examples
    if not config.batch_size <= examples <= cut:
      raise ValueError(
        f'`{name}.examples` must lie between `batch_size` = '
        f'{config.batch_size} and {cut}, what `validation` leaves of the '
        f'training set, got {examples}.'
      )
  splits = {
    'validation': tasks.Split(images[cut:], labels[cut:]),
    'test': task.test,
  }
  if config.usps:
    usps = datasets.load('usps')
    halves = [usps.train_images, usps.test_images]
    splits['usps'] = tasks.Split(
      jnp.asarray(shifts.like_mnist(np.concatenate(halves))),
      jnp.concatenate([usps.train_labels, usps.test_labels]),
    )
  for degrees in config.degrees:
    turned = shifts.rotate(np.asarray(task.test.images), degrees)
    splits[f'rotated_{degrees}'] = task.test._replace(
      images=jnp.asarray(turned)
    )
  train = tasks.Split(images[:cut], labels[:cut])
  return task._replace(train=train), splits


def _finite(metrics: Mapping[str, Any]) -> bool:
  flat = [x for v in metrics.values() for x in np.atleast_1d(v)]
  return all(map(math.isfinite, flat))
