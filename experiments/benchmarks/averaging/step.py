"""A training step of the CIFAR network with and without an average."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments import tasks
from experiments.benchmarks import clock
from experiments.data import sets
from experiments.training import image as image_training
from paramspace import averaging
from paramspace import trees

PLAIN = 'no average'


def run(config: ml_collections.ConfigDict) -> list[dict[str, Any]]:
  """Times steps that average by `as_optax`, and by `update` beside them.

  Args:
    config: `model`, `batch_size`, `calls` in a row and `rounds`.

  Returns:
    A row for both: milliseconds of a step, and the median, lowest and highest
    of its ratio to a step without an average.
  """
  task = tasks.make_normalized(
    data='cifar10', model=config.model, load=sets.blank
  )
  average = averaging.averager(averaging.ema(0.999))
  sgd = optax.sgd(0.01, momentum=0.9)
  chain = optax.chain(sgd, averaging.as_optax(average))
  plain, chained = (image_training.step(task, t) for t in (sgd, chain))
  variables = jax.jit(task.init)(jax.random.key(0))

  def beside(state, images, labels):
    fit, loss = plain(state[0], images, labels)
    return (fit, average.update(fit.variables.params, state[1])), loss

  starts = {
    PLAIN: (plain, image_training.start(variables, sgd)),
    'as_optax': (chained, image_training.start(variables, chain)),
    'update': (
      beside,
      (image_training.start(variables, sgd), average.init(variables.params)),
    ),
  }
  programs = {
    name: _calls(step, jax.tree.map(jnp.array, state), config)
    for name, (step, state) in starts.items()
  }
  seconds = clock.interleaved(programs, config.rounds)
  return [
    {
      'method': name,
      'D': trees.size(variables.params),
      'ratio': float(np.median(ratios)),
      'ratio_low': float(ratios.min()),
      'ratio_high': float(ratios.max()),
      'step_ms': float(1e3 * seconds[name].min() / config.calls),
    }
    for name in seconds
    for ratios in [seconds[name] / seconds[PLAIN]]
  ]


def _calls(
  step: Callable[..., Any], state: Any, config: ml_collections.ConfigDict
) -> Callable[[], Any]:
  """Returns what takes some steps, in the memory of the state."""
  key, count = jax.random.key(1), config.batch_size
  shape = (count, *sets.blank('cifar10').train_images.shape[1:])
  images = jax.random.randint(key, shape, 0, 256).astype(jnp.uint8)
  labels = jax.random.randint(key, (count,), 0, 10)
  compiled = jax.jit(step, donate_argnums=0)
  held = [state]

  def calls():
    for _ in range(config.calls):
      held[0], _ = compiled(held[0], images, labels)
    return held[0]

  return calls
