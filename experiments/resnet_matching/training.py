"""Training one residual network and keeping it, for pairs to be matched.

Pairs share their networks in one working directory: each is a point of its own,
by the id of its config.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from experiments import tasks
from experiments.resnet_matching import _bench
from experiments.tasks import pixels
from experiments.training import image as image_training
from experiments.training import loop
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors
from paramspace.launch import prerequisites

Config = ml_collections.ConfigDict

VARIABLES = 'variables'  # The tree that is kept.


class State(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    key: Of the augmentation.
    fit: Parameters, batch statistics and optimizer.
  """

  key: base.PRNGKey
  fit: image_training.Fit


def ensure(run: Any, config: Config, seeds: Sequence[int]) -> list[base.Params]:
  """Trains networks, or finds them where that was done before.

  Args:
    run: A `launch.run.Run`.
    config: As in `configs/matching/cifar10_resnet20.py`.
    seeds: One for each network.

  Returns:
    Trees of 'params' and 'batch_stats'.
  """
  done = prerequisites.ensure(run, [point(config, seed) for seed in seeds])
  return [jax.tree.map(jnp.asarray, one.load(VARIABLES)) for one in done]


def point(config: Config, seed: int) -> Config:
  """Returns the config of one training.

  Args:
    config: As in `ensure`.
    seed: Of the initialization, the batches and their augmentation.
  """
  same = ('scale', 'data', 'shrink', 'examples', 'held_out', 'nonfinite')
  return Config(
    dict(
      study=__name__,
      seed=seed,
      model=config.model.to_dict(),
      execution=config.execution.to_dict(),
      **{name: config[name] for name in same},
      **config.training.to_dict(),
    )
  )


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one network.

  Args:
    config: From `point`.
    run: A `launch.run.Run`, which keeps the network.

  Returns:
    Accuracy and loss on the test set; the number of parameters, D; sha256s.
  """
  with errors.usage():
    task = _bench.make(config).task
    count, batch = len(task.train.labels), config.batch_size
    if not 1 <= batch <= count:
      raise ValueError(
        f'`batch_size` must lie between 1 and {count}, got {batch}.'
      )
  per_epoch = count // batch
  steps = config.epochs * per_epoch
  optimizer = image_training.optimizer(
    config.optimizer, _rate(config.optimizer, steps)
  )
  step = image_training.step(task, optimizer)

  # One step, not a scan of many: in that, convolutions are slow on CPU.
  @functools.partial(jax.jit, donate_argnums=0)
  def one_step(state, number, indices, train):
    key = jax.random.fold_in(state.key, number)
    images = pixels.flip_and_shift(key, train.images[indices], config.shift)
    fit, loss = step(state.fit, images, train.labels[indices])
    return state._replace(fit=fit), loss

  def advance(state, first, last):
    losses = []
    rows = loop.batches(config.seed, first, last, count, batch)
    for number, indices in enumerate(rows, first):
      state, loss = one_step(state, number, indices, task.train)
      losses.append(loss)
    return state, {'train_loss': jnp.stack(losses).mean()}

  key_init, key = jax.random.split(jax.random.key(config.seed))
  begin = jax.jit(task.init)(key_init)
  state = loop.train(
    run,
    State(key, image_training.start(begin, optimizer)),
    loop.epochs(config.epochs, per_epoch, config.execution.log_every),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{task.name}, seed {config.seed}',
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )
  kept = state.fit.variables
  run.save(VARIABLES, _bench.variables(kept))
  evaluate = jax.jit(functools.partial(tasks.evaluate, task))
  found = loop.fetch(evaluate(kept, task.test)._asdict())
  return {
    'status': 'done' if math.isfinite(found['loss']) else 'diverged',
    **{f'test_{name}': value for name, value in found.items()},
    'D': trees.size(kept.params),
    'data_digest': task.digest,
    'digest': manifest.digest(kept),
  }


def _rate(options: Config, steps: int) -> optax.Schedule:
  """Rises for a share of the steps, then falls to zero as a cosine."""
  high, warm = options.learning_rate, max(1, round(options.warmup * steps))
  return optax.warmup_cosine_decay_schedule(0, high, warm, steps)
