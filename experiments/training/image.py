"""Training steps of an image classifier with batch norm."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from experiments import tasks

SCHEDULES = ('constant', 'linear')


class Fit(NamedTuple):
  """What changes in training.

  Attributes:
    variables: Parameters and batch statistics.
    optimizer: The optimizer's state.
  """

  variables: tasks.Variables
  optimizer: optax.OptState


def learning_rate(
  options: ml_collections.ConfigDict, steps: int, start: int
) -> optax.Schedule:
  """Makes a learning rate that is a line between some steps.

  Args:
    options: `learning_rate` is reached after a share `warmup` of the steps.
      With the schedule `'constant'` it is kept for half of them, falls to
      `averaged_rate` at `start`, and stays there; with `'linear'` it falls to
      zero at the end.
    steps: The length of the training.
    start: Where the averaging starts.

  Returns:
    A function of the step.

  Raises:
    ValueError: If there is no such schedule, or its parts do not follow each
      other.
  """
  if options.schedule not in SCHEDULES:
    raise ValueError(
      f'`schedule` is one of {SCHEDULES}, got {options.schedule!r}.'
    )
  warm, half = options.warmup * steps, steps / 2
  if not 0 < warm < half < start < steps:
    raise ValueError(
      'The warm-up ends in the first half and the averaging starts in the '
      f'second; of {steps} steps, they are at {warm:g} and {start}.'
    )
  high, low = options.learning_rate, options.averaged_rate
  if options.schedule == 'linear':
    knots = {0: 0, warm: high, steps: 0}
  else:
    knots = {0: 0, warm: high, half: high, start: low, steps: low}
  at, rates = (jnp.array([*x], float) for x in (knots, knots.values()))
  return lambda step: jnp.interp(jnp.asarray(step, float), at, rates)


def optimizer(
  options: ml_collections.ConfigDict, rate: optax.Schedule
) -> optax.GradientTransformation:
  """Makes SGD with momentum, whose weight decay is part of the gradient."""
  return optax.chain(
    optax.add_decayed_weights(options.weight_decay),
    optax.sgd(rate, momentum=options.momentum),
  )


def start(
  variables: tasks.Variables, transform: optax.GradientTransformation
) -> Fit:
  """Returns what `step` begins with."""
  return Fit(variables, transform.init(variables.params))


def step(
  task: tasks.NormalizedTask, transform: optax.GradientTransformation
) -> Callable[[Fit, jax.Array, jax.Array], tuple[Fit, jax.Array]]:
  """Makes the function of one training step.

  Args:
    task: Whose loss.
    transform: The optimizer.

  Returns:
    `(fit, images, labels) -> (fit, loss)`.
  """

  def one_step(fit: Fit, images: jax.Array, labels: jax.Array):
    params, stats = fit.variables
    (loss, stats), grad = jax.value_and_grad(task.loss, has_aux=True)(
      params, stats, images, labels
    )
    updates, state = transform.update(grad, fit.optimizer, params)
    params = optax.apply_updates(params, updates)
    return Fit(tasks.Variables(params, stats), state), loss

  return one_step
