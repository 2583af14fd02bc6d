"""Training one language model and keeping it, for pairs of them to be matched.

Pairs share their models in one working directory: each is a point of its own,
by the id of its config.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.tasks import language
from experiments.training import language as language_training
from experiments.training import loop
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors
from paramspace.launch import prerequisites

Config = ml_collections.ConfigDict

PARAMS = 'params'  # The tree that is kept.


def ensure(run: Any, config: Config, seeds: Sequence[int]) -> list[base.Params]:
  """Trains models, or finds them where that was done before.

  Args:
    run: A `launch.run.Run`.
    config: As in `configs/matching/tinyshakespeare_gpt.py`.
    seeds: One for each model.
  """
  done = prerequisites.ensure(run, [point(config, seed) for seed in seeds])
  return [jax.tree.map(jnp.asarray, one.load(PARAMS)) for one in done]


def point(config: Config, seed: int) -> Config:
  """Returns the config of one training.

  Args:
    config: As in `ensure`.
    seed: Of the initialization and of the batches.
  """
  return Config(
    dict(
      study=__name__,
      scale=config.scale,
      seed=seed,
      data=config.data,
      model=config.model.to_dict(),
      nonfinite=config.nonfinite,
      execution=config.execution.to_dict(),
      **config.training.to_dict(),
    )
  )


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one model.

  Args:
    config: From `point`.
    run: A `launch.run.Run`, which keeps the model.

  Returns:
    The test loss in nats per byte; the number of parameters, D; sha256s.
  """
  with errors.usage():
    task = language.make(data=config.data, model=config.model)
    optimizer = language_training.optimizer(config.optimizer)
    rates = np.float32(
      config.optimizer.learning_rate
    ) * language_training.schedule(config.optimizer, config.steps)
  step = language_training.step(task, optimizer)

  @functools.partial(jax.jit, donate_argnums=0)
  def train(fit, tokens, starts, rates):
    one_step = lambda fit, inputs: step(fit, tokens, *inputs)
    fit, losses = jax.lax.scan(one_step, fit, (starts, rates))
    return fit, losses.mean()

  def advance(fit, first, last):
    starts = language.starts(
      config.seed,
      first,
      last,
      count=len(task.train),
      context=task.context,
      batch=config.batch_size,
    )
    fit, loss = train(fit, task.train, starts, rates[first:last])
    return fit, {'train_loss': loss}

  params = jax.jit(task.init)(jax.random.key(config.seed))
  fit = loop.train(
    run,
    language_training.Fit(params, optimizer.init(params)),
    loop.stops(config.steps, config.execution.log_every),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{task.name}, seed {config.seed}',
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )
  run.save(PARAMS, fit.params)
  evaluate = jax.jit(functools.partial(language.evaluate, task))
  test = float(evaluate(fit.params, task.test))
  return {
    'status': 'done' if math.isfinite(test) else 'diverged',
    'test_loss': test,
    'D': trees.size(fit.params),
    'data_digest': task.digest,
    'digest': manifest.digest(fit.params),
  }
