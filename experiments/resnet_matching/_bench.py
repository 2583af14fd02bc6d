"""A residual network with batch norm, and all that measures it."""

import functools
import json
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import models
from experiments import tasks
from experiments.tasks import pixels
from experiments.tasks import temperature
from paramspace import base
from paramspace import symmetry

Config = ml_collections.ConfigDict


class Bench(NamedTuple):
  """What all networks of one shape share, compiled programs among it.

  Variables are one tree, of 'params' and 'batch_stats'.

  Attributes:
    task: The task: the first examples of the training set are trained on.
    held_out: The last of it, for temperatures.
    spec: The symmetries of the network, derived from its program.
    hidden: `(variables, images)` to the rectified values by group: those inside
      blocks, and those of the residual stream at the end of each stage.
    update: `(variables, images) -> variables`, the forward pass in training.
    metric: `(variables, splits) -> scalars`, as `temperature.scores`.
  """

  task: tasks.NormalizedTask
  held_out: tasks.Split
  spec: symmetry.Spec
  hidden: Callable[[base.Params, jax.Array], dict[str, jax.Array]]
  update: Callable[[base.Params, jax.Array], base.Params]
  metric: Callable[[base.Params, dict[str, tasks.Split]], dict[str, jax.Array]]


def make(config: Config) -> Bench:
  """Returns the bench of a config, the same one for the same arguments.

  Args:
    config: Has `data`, `model`, `shrink`, `examples` and `held_out`, as in
      `configs/matching/cifar10_resnet20.py`.

  Raises:
    ValueError: If there is no such data or model, images do not shrink so, or
      there are fewer examples than are asked for.
  """
  model = json.dumps(config.model.to_dict(), sort_keys=True)
  return _made(
    config.data, model, config.shrink, config.examples, config.held_out
  )


def variables(of: tasks.Variables) -> base.Params:
  """Returns what is trained, and its statistics, as one tree."""
  return {'params': of.params, 'batch_stats': of.stats}


@functools.lru_cache(maxsize=1)
def _made(
  data: str, model: str, shrink: int, examples: int, held_out: int
) -> Bench:
  options = json.loads(model)
  whole = tasks.make_normalized(data=data, model=options)
  count = len(whole.train.labels)
  if held_out < 1 or examples < 1 or examples + held_out > count:
    raise ValueError(
      f'`examples` and `held_out` must be positive and at most {count} '
      f'together, got {examples} and {held_out}.'
    )
  part = lambda where: _shrunk(
    tasks.Split(*(x[where] for x in whole.train)), shrink
  )
  task = whole._replace(
    train=part(slice(examples)), test=_shrunk(whole.test, shrink)
  )
  scale = pixels.standardize(np.asarray(whole.train.images))  # As the task's.
  network = models.make_normalized(classes=whole.classes, **options)
  apply = lambda tree, images, **kwargs: network.apply(
    tree, scale(images), **kwargs
  )
  shapes = variables(jax.eval_shape(task.init, jax.random.key(0)))
  spec = symmetry.derive(apply, shapes, task.test.images[:1])

  def update(tree, images):
    _, new = apply(tree, images, train=True, mutable=['batch_stats'])
    return {**tree, **new}

  def metric(tree, splits):
    logits = {name: apply(tree, x.images) for name, x in splits.items()}
    labels = {name: x.labels for name, x in splits.items()}
    return temperature.scores(logits, labels)

  return Bench(
    task,
    part(slice(count - held_out, None)),
    spec,
    _hidden(apply, spec),
    update,
    metric,
  )


def _shrunk(split: tasks.Split, times: int) -> tasks.Split:
  """Takes means over squares of pixels."""
  n, height, width, channels = split.images.shape
  if height % times or width % times:
    raise ValueError(
      f'`shrink` must divide the {height}x{width} pixels, got {times}.'
    )
  squares = split.images.reshape(
    n, height // times, times, width // times, times, channels
  )
  means = squares.astype(jnp.float32).mean(axis=(2, 4))
  return split._replace(images=jnp.round(means).astype(jnp.uint8))


def _hidden(apply: Callable[..., Any], spec: symmetry.Spec) -> Callable:
  """Makes the function of what is inside the network, by group."""
  group = lambda leaf: spec.leaves[leaf][-1].name
  blocks = {leaf.split('/')[1] for leaf in spec.leaves if '/stage_' in leaf}
  blocks = sorted(blocks, key=lambda name: (len(name), name))  # 2 before 10.
  inside = {
    group(f'params/{block}/conv_0/kernel'): (block, 'norm_0')
    for block in blocks
  }
  # The last block of a stage, as the names rise, is the one that is kept.
  stages = {
    group(f'params/{block}/conv_1/kernel'): (block,) for block in blocks
  }
  places = {name: where for name, where in (inside | stages).items() if name}
  names = {where[-1] for where in places.values()}

  def hidden(tree, images):
    _, found = apply(
      tree,
      images,
      capture_intermediates=lambda module, _: module.name in names,
      mutable=['intermediates'],
    )
    # A block is rectified already; what a norm gives is not.
    return {
      name: jax.nn.relu(_at(found['intermediates'], where)['__call__'][0])
      for name, where in places.items()
    }

  return hidden


def _at(tree: Any, path: tuple[str, ...]) -> Any:
  return functools.reduce(lambda tree, name: tree[name], path, tree)
