"""Training one network and keeping it, for other studies to connect.

Studies that begin with the same networks in one working directory share them:
each is a point of its own, by the id of its config.
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
import optax

from experiments import tasks
from experiments.mode_connectivity import _networks
from experiments.training import loop
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors
from paramspace.launch import prerequisites

Config = ml_collections.ConfigDict

PARAMS = 'params'  # The tree that is kept.


class Fit(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    params: The parameters.
    optimizer: The optimizer's state.
  """

  params: base.Params
  optimizer: optax.OptState


def point(config: Config, seed: int) -> Config:
  """Returns the config of one training.

  Args:
    config: As in `configs/matching/mnist_mlp.py`.
    seed: Of the initialization and the order of the batches.
  """
  return Config(
    dict(
      study=__name__,
      scale=config.scale,
      seed=seed,
      data=config.data,
      model=config.model.to_dict(),
      held_out=config.held_out,
      **config.training.to_dict(),
      execution=config.execution.to_dict(),
    )
  )


def ensure(run: Any, config: Config, seeds: Sequence[int]) -> list[base.Params]:
  """Trains networks, or finds them where that was done before.

  Args:
    run: A `launch.run.Run`.
    config: As in `configs/matching/mnist_mlp.py`.
    seeds: One for each network.
  """
  done = prerequisites.ensure(run, [point(config, seed) for seed in seeds])
  return [jax.tree.map(jnp.asarray, one.load(PARAMS)) for one in done]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one network with Adam, as git-re-basin does, and keeps it.

  Args:
    config: From `point`.
    run: A `launch.run.Run`.

  Returns:
    Loss and accuracy on the test set; the number of parameters, D; sha256s.
  """
  with errors.usage():
    network = _networks.make(config)
  initial = jax.jit(network.task.init)(jax.random.key(config.seed))
  what = f'{network.task.name}, seed {config.seed}'
  return train(
    config, run, network, network.task.train, initial, config.seed, what
  )


def train(
  config: Config,
  run: Any,
  network: _networks.Network,
  split: tasks.Split,
  initial: base.Params,
  order: int,
  what: str,
) -> dict[str, Any]:
  """Trains a network on a split, and keeps it.

  Args:
    config: The rate, the batch size and the epochs, and when to log and save.
    run: A `launch.run.Run`.
    network: The network.
    split: What it is trained on.
    initial: What it begins with.
    order: The seed of the order of the batches.
    what: What is trained, for the progress bar.

  Returns:
    As `run`.
  """
  task, count = network.task, len(split.labels)
  if not 1 <= config.batch_size <= count:
    raise errors.UsageError(
      f'`training.batch_size` must lie between 1 and {count}, got '
      f'{config.batch_size}.'
    )
  optimizer, steps = _program(task.loss, config.learning_rate)

  def advance(fit, first, last):
    batches = loop.batches(order, first, last, count, config.batch_size)
    fit, loss = steps(fit, batches, split)
    return fit, {'train_loss': loss}

  fit = loop.train(
    run,
    Fit(initial, optimizer.init(initial)),
    loop.epochs(
      config.epochs, count // config.batch_size, config.execution.log_every
    ),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=what,
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )
  run.save(PARAMS, fit.params)
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
      return Fit(optax.apply_updates(fit.params, updates), state), value

    fit, losses = jax.lax.scan(one_step, fit, batches)
    return fit, losses.mean()

  return optimizer, train
