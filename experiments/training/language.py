"""Training steps of a language model with AdamW."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import ml_collections
import numpy as np
import optax

from experiments.tasks import language
from paramspace import base

SCHEDULES = ('constant', 'linear')


class Fit(NamedTuple):
  """What changes in training.

  Attributes:
    params: The parameters.
    optimizer: The optimizer's state.
  """

  params: base.Params
  optimizer: optax.OptState


def optimizer(
  options: ml_collections.ConfigDict,
) -> optax.GradientTransformation:
  """Makes AdamW without its learning rate, for clipped gradients.

  Args:
    options: `b2`, `weight_decay`, which is on matrices alone, and `clip`, the
      largest norm of a gradient.

  Returns:
    The transformation, from gradients to what is subtracted at a rate of 1.

  References:
    Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101.
  """
  matrices = lambda params: jax.tree.map(lambda x: x.ndim > 1, params)
  return optax.chain(
    optax.clip_by_global_norm(options.clip),
    optax.scale_by_adam(b2=options.b2),
    optax.add_decayed_weights(options.weight_decay, mask=matrices),
  )


def schedule(options: ml_collections.ConfigDict, steps: int) -> np.ndarray:
  """Returns the learning rate of each step, over the largest.

  Args:
    options: `warmup`, the share of the steps in which it rises, and `schedule`,
      whether it then is `'constant'`, or falls as a `'linear'` function of the
      step, to zero behind the last.
    steps: The length of the training.

  Returns:
    float32 `[steps]`, in (0, 1].

  Raises:
    ValueError: If there is no such schedule, or the warm-up is not a share.

  >>> options = ml_collections.ConfigDict(dict(warmup=0.5, schedule='linear'))
  >>> schedule(options, 4)
  array([0.5, 1. , 1. , 0.5], dtype=float32)
  """
  if options.schedule not in SCHEDULES:
    raise ValueError(
      f'`schedule` is one of {SCHEDULES}, got {options.schedule!r}.'
    )
  if not 0 <= options.warmup < 1:
    raise ValueError(f'`warmup` must lie in [0, 1), got {options.warmup}.')
  step, warm = np.arange(steps), options.warmup * steps
  share = np.minimum(1, (step + 1) / max(1, warm))
  if options.schedule == 'linear':
    share = np.minimum(share, (steps - step) / (steps - warm))
  return share.astype(np.float32)


def step(
  task: language.Task, transform: optax.GradientTransformation
) -> Callable[..., tuple[Fit, jax.Array]]:
  """Makes the function of one training step.

  Args:
    task: Whose loss.
    transform: From `optimizer`.

  Returns:
    `(fit, tokens, starts, rate) -> (fit, loss)`, where `starts` `[batch]` says
    where in the text `tokens` the windows are.
  """

  def one_step(
    fit: Fit, tokens: jax.Array, starts: jax.Array, rate: jax.Array
  ) -> tuple[Fit, jax.Array]:
    windows = language.windows(tokens, starts, task.context)
    loss, grad = jax.value_and_grad(task.loss)(fit.params, windows)
    updates, state = transform.update(grad, fit.optimizer, fit.params)
    move = lambda x, u: x - rate * u
    return Fit(jax.tree.map(move, fit.params, updates), state), loss

  return one_step
