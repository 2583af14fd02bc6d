"""Training one network on a part of the data, for other studies to merge.

As `training`, but it keeps what the network began with too.
"""

import functools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments import tasks
from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _shares
from experiments.mode_connectivity import training
from experiments.training import loop
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors
from paramspace.launch import prerequisites

Config = ml_collections.ConfigDict

PARAMS, INITIAL = 'params', 'initial'  # The trees that are kept.


class Trained(NamedTuple):
  """A network, and what it began with.

  Attributes:
    params: Its parameters.
    initial: Those before the first step.
  """

  params: base.Params
  initial: base.Params


def point(config: Config, part: int, begin: int) -> Config:
  """Returns the config of one training.

  Args:
    config: As in `configs/matching/mnist_mlp_merging.py`.
    part: Which part of the data.
    begin: The seed of the initialization.
  """
  return Config(
    dict(
      study=__name__,
      scale=config.scale,
      seed=config.seed,
      begin=begin,
      data=config.data,
      model=config.model.to_dict(),
      held_out=config.held_out,
      part=part,
      parts=config.parts,
      own=config.own,
      training_examples=config.training_examples,
      **config.training.to_dict(),
      execution=config.execution.to_dict(),
    )
  )


def ensure(run: Any, configs: Sequence[Config]) -> list[Trained]:
  """Trains networks, or finds them where that was done before.

  Args:
    run: A `launch.run.Run`.
    configs: From `point`.
  """
  arrays = lambda tree: jax.tree.map(jnp.asarray, tree)
  return [
    Trained(arrays(one.load(PARAMS)), arrays(one.load(INITIAL)))
    for one in prerequisites.ensure(run, configs)
  ]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one network with Adam, and keeps it.

  Args:
    config: From `point`.
    run: A `launch.run.Run`.

  Returns:
    Loss and accuracy on the test set, of all classes; the number of parameters,
    D; sha256s.
  """
  with errors.usage():
    network = _networks.make(config)
    task = network.task
    at = _shares.parts(
      np.asarray(task.train.labels),
      config.parts,
      config.own,
      config.training_examples,
    )[config.part]
    if not 1 <= config.batch_size <= len(at):
      raise ValueError(
        f'`training.batch_size` must lie between 1 and {len(at)}, got '
        f'{config.batch_size}.'
      )
  split = tasks.Split(*(x[at] for x in task.train))
  optimizer, train = _program(task.loss, config.learning_rate)
  initial = jax.jit(task.init)(jax.random.key(config.begin))
  order = config.seed * config.parts + config.part

  def advance(fit, first, last):
    batches = loop.batches(order, first, last, len(at), config.batch_size)
    fit, loss = train(fit, batches, split)
    return fit, {'train_loss': loss}

  fit = loop.train(
    run,
    training.Fit(initial, optimizer.init(initial)),
    loop.epochs(
      config.epochs, len(at) // config.batch_size, config.execution.log_every
    ),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{task.name}, part {config.part}, seed {config.seed}',
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )
  run.save(PARAMS, fit.params)
  run.save(INITIAL, initial)
  found = network.evaluate(fit.params, task.test)
  metrics = {f'test_{k}': float(v) for k, v in found._asdict().items()}
  finite = all(map(math.isfinite, metrics.values()))
  return {
    'status': 'done' if finite else 'diverged',
    **metrics,
    'D': trees.size(fit.params),
    'data_digest': task.digest,
    'digest': manifest.digest(fit.params),
  }


@functools.lru_cache(maxsize=1)
def _program(
  loss: Callable[..., jax.Array], learning_rate: float
) -> tuple[optax.GradientTransformation, Callable[..., tuple]]:
  """Returns the optimizer, and a scan over batches, `[steps, batch]`."""
  optimizer = optax.adam(learning_rate)

  @jax.jit
  def train(fit, batches, split):
    def one_step(fit, at):
      value, grad = jax.value_and_grad(loss)(
        fit.params, split.images[at], split.labels[at]
      )
      updates, state = optimizer.update(grad, fit.optimizer, fit.params)
      params = optax.apply_updates(fit.params, updates)
      return training.Fit(params, state), value

    fit, losses = jax.lax.scan(one_step, fit, batches)
    return fit, losses.mean()

  return optimizer, train
