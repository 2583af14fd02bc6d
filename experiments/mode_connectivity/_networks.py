"""A network, what is inside it, and how good it is."""

import functools
import json
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import ml_collections

from experiments import models
from experiments import tasks
from experiments.tasks import pixels
from experiments.tasks import temperature
from paramspace import base
from paramspace import symmetry

Layers = Callable[[base.Params, jax.Array], dict[str, jax.Array]]


class Network(NamedTuple):
  """What all models of one shape share, compiled programs among it.

  Attributes:
    task: The task, less what is held out.
    held_out: The end of the training set, which temperatures are fitted on.
    spec: The symmetries of the network, derived from its program.
    sites: The names of the hidden layers.
    preactivations: `(params, images)` to what the layers compute, by site.
    hidden: `(params, images)` to the same rectified, by group.
    evaluate: `(params, split)` to loss and accuracy, compiled once.
    metric: `(params, splits) -> scalars`, the same: of 'train' and 'test' the
      loss, the accuracy and the loss at the temperature that the split
      'held_out' asks for; and that temperature.
  """

  task: tasks.Task
  held_out: tasks.Split
  spec: symmetry.Spec
  sites: tuple[str, ...]
  preactivations: Layers
  hidden: Layers
  evaluate: Callable[[base.Params, tasks.Split], tasks.Evaluation]
  metric: Callable[[base.Params, dict[str, tasks.Split]], dict[str, jax.Array]]


def make(config: ml_collections.ConfigDict) -> Network:
  """Returns the network of a config, the same one for the same arguments.

  Args:
    config: Has `data`, `model` and `held_out`, as in
      `configs/matching/mnist_mlp.py`.

  Raises:
    ValueError: If there is no such data set or model, or nothing is left to
      train on.
  """
  options = json.dumps(config.model.to_dict(), sort_keys=True)
  return _made(config.data, options, config.held_out)


@functools.lru_cache(maxsize=1)
def _made(data: str, options: str, held_out: int) -> Network:
  options = json.loads(options)
  task, held_out = _split(tasks.make(data=data, model=options), held_out)
  module = models.make(classes=task.classes, **options)
  params = jax.eval_shape(task.init, jax.random.key(0))
  spec = symmetry.derive(task.apply, params, task.test.images[:1])
  # The group of a hidden layer is the one that permutes its bias.
  groups = {
    leaf.removesuffix('/bias'): axes[0].name
    for leaf, axes in spec.leaves.items()
    if leaf.endswith('/bias') and axes[0].name
  }

  def preactivations(params, images):
    _, found = module.apply(
      params,
      pixels.to_unit(images),
      capture_intermediates=True,
      mutable='intermediates',
    )
    layers = found['intermediates']
    of = lambda site: layers[site.removeprefix('params/')]['__call__'][0]
    return {site: of(site) for site in groups}

  def hidden(params, images):
    found = preactivations(params, images)
    return {group: jax.nn.relu(found[site]) for site, group in groups.items()}

  return Network(
    task,
    held_out,
    spec,
    tuple(groups),
    preactivations,
    hidden,
    jax.jit(functools.partial(tasks.evaluate, task)),
    jax.jit(_metric(task.apply)),
  )


def _split(task: tasks.Task, held_out: int) -> tuple[tasks.Task, tasks.Split]:
  """Cuts the end off the training set."""
  cut = len(task.train.labels) - held_out
  if held_out < 1 or cut < 1:
    raise ValueError(
      f'`held_out` must lie between 1 and {len(task.train.labels) - 1}, got '
      f'{held_out}.'
    )
  first, last = (
    tasks.Split(*(x[part] for x in task.train))
    for part in (slice(cut), slice(cut, None))
  )
  return task._replace(train=first), last


def _metric(apply: Callable[[base.Params, jax.Array], jax.Array]) -> Any:
  def metric(params, splits):
    logits = {name: apply(params, x.images) for name, x in splits.items()}
    labels = {name: x.labels for name, x in splits.items()}
    return temperature.scores(logits, labels)

  return metric
