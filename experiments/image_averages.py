"""Averages of an image classifier's weights, and its batch statistics.

A point of the study is one training run. Towards its end the weights are
averaged, and the running statistics of batch norm with them. What is evaluated
differs in the statistics that the averaged weights are given:

  last         the last iterate, with its own, which is no average
  last_pooled  the same, but estimated again by a pass over training images
  copied       those of the last iterate
  averaged     the average of those that belong to the averaged weights
  few          estimated again, over a few batches
  pooled       estimated again, the variance over all images
  mean         estimated again, the mean of the variances within batches

References:
  Izmailov et al, 2018, Averaging Weights Leads to Wider Optima and Better
  Generalization, https://arxiv.org/abs/1803.05407, Section 3.
"""

import functools
import math
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import tasks
from experiments.tasks import pixels
from experiments.training import image as image_training
from experiments.training import loop
from paramspace import averaging
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

LAST = 'last'
ALONG = (LAST, 'copied', 'averaged', 'few')  # Whose curves are kept.

Config = ml_collections.ConfigDict


class State(NamedTuple):
  """What a checkpoint holds: all that the rest of the training depends on.

  Attributes:
    key: Of the augmentation.
    fit: Parameters, batch statistics and optimizer.
    average: The averager's state, of parameters and batch statistics.
    curves: Test accuracies since the averaging began, float32 `[evaluations]`,
      by name.
  """

  key: base.PRNGKey
  fit: image_training.Fit
  average: averaging.RunningState
  curves: dict[str, jax.Array]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one point.

  Args:
    config: See `configs/averaging/swa_cifar10_cnn.py`.
    run: A `launch.run.Run`.

  Returns:
    Test accuracies and losses at the end, by what is evaluated; the epochs of
    the evaluations since the averaging began, and accuracies at them; how many
    weights were averaged; the size D; the sha256 of what was trained. The
    status is 'diverged' if the last loss is not finite.
  """
  with errors.usage():
    task = tasks.make_normalized(data=config.data, model=config.model)
    program = Program(task, config)
  per_epoch, every = program.per_epoch, config.execution.log_every
  stops = loop.epochs(config.epochs, per_epoch, every)
  late = [stop for stop in stops if stop > program.start_of_averaging]

  def advance(state, first, last):
    state, loss = program.train(state, first, last)
    if last not in late:
      found = program.evaluate({LAST: state.fit.variables})
      return state, {'train_loss': loss, **found}
    found, at = program.evaluate(program.along(state)), late.index(last)
    curves = {
      name: curve.at[at].set(found[f'{name}_accuracy'])
      for name, curve in state.curves.items()
    }
    return state._replace(curves=curves), {'train_loss': loss, **found}

  state = loop.train(
    run,
    program.start(len(late)),
    stops,
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=task.name,
    show=lambda found: {LAST: float(found[f'{LAST}_accuracy'])},
  )
  candidates = {**program.along(state), **program.at_end(state)}
  found = loop.fetch(program.evaluate(candidates))
  return {
    'status': 'done' if math.isfinite(found[f'{LAST}_loss']) else 'diverged',
    **found,
    'epochs': [stop / per_epoch for stop in late],
    'curves': {name: x.tolist() for name, x in state.curves.items()},
    'averaged': int(state.average.clock.count),
    'D': trees.size(state.fit.variables.params),
    'data_digest': task.digest,
    'digest': manifest.digest((state.fit, state.average)),
  }


class Program:
  """The compiled functions of one run.

  Attributes:
    per_epoch: The steps of an epoch.
    start_of_averaging: The steps before those whose weights are averaged.
  """

  def __init__(self, task: tasks.NormalizedTask, config: Config):
    """Compiles nothing yet.

    Args:
      task: Data, model and loss.
      config: As in `run`.

    Raises:
      ValueError: If the learning rate or the average is out of its range.
    """
    self.per_epoch = len(task.train.labels) // config.batch_size
    self._steps = config.epochs * self.per_epoch
    self.start_of_averaging = round(config.average.start * self._steps)
    rate = image_training.learning_rate(
      config.optimizer, self._steps, self.start_of_averaging
    )
    self._task, self._config = task, config
    self._optimizer = image_training.optimizer(config.optimizer, rate)
    self._fit = image_training.step(task, self._optimizer)
    self._averager = averaging.averager(
      averaging.uniform(), config.average.every, self.start_of_averaging
    )
    # One step, not a scan of many: in that, convolutions are slow on CPU.
    self._step = jax.jit(self._one_step, donate_argnums=0)
    self._evaluate = jax.jit(functools.partial(tasks.evaluate, task))
    self._read = jax.jit(self._read_batch)
    # The parameters come with the batch, so that one program serves them all.
    self._new_stats = lambda stats, batch: task.loss(
      batch[-1], stats, *batch[:-1]
    )[1]

  def start(self, evaluations: int) -> State:
    """Returns the state before the first step."""
    key_init, key = jax.random.split(jax.random.key(self._config.seed))
    variables = jax.jit(self._task.init)(key_init)
    return State(
      key,
      image_training.start(variables, self._optimizer),
      self._averager.init(variables),
      {name: jnp.zeros(evaluations) for name in ALONG},
    )

  def train(
    self, state: State, first: int, last: int
  ) -> tuple[State, jax.Array]:
    """Trains from one step to another.

    Args:
      state: Where the run is; donated.
      first: Steps behind it.
      last: Steps behind it afterwards.

    Returns:
      The new state, and the mean loss over the steps.
    """
    losses = []
    for step, indices in self._batches(first, last):
      state, loss = self._step(state, step, indices, self._task.train)
      losses.append(loss)
    return state, jnp.stack(losses).mean()

  def evaluate(
    self, candidates: Mapping[str, tasks.Variables]
  ) -> dict[str, jax.Array]:
    """Returns the test accuracy and loss of each, by name."""
    found = {
      name: self._evaluate(variables, self._task.test)
      for name, variables in candidates.items()
    }
    return {
      f'{name}_{what}': value
      for name, values in found.items()
      for what, value in values._asdict().items()
    }

  def along(self, state: State) -> dict[str, tasks.Variables]:
    """Returns what is evaluated all along the averaging, by name."""
    last, average = state.fit.variables, self._average(state)
    return {
      LAST: last,
      'copied': tasks.Variables(average.params, last.stats),
      'averaged': average,
      'few': self._reestimated(state.key, average, self._config.few_batches),
    }

  def at_end(self, state: State) -> dict[str, tasks.Variables]:
    """Returns what is evaluated at the end alone, by name."""
    average, count = self._average(state), self.per_epoch
    again = functools.partial(self._reestimated, state.key)
    return {
      'last_pooled': again(state.fit.variables, count),
      'pooled': again(average, count),
      'mean': again(average, count, variance='mean'),
    }

  def _average(self, state: State) -> tasks.Variables:
    return self._averager.value(state.average, like=state.fit.variables)

  def _reestimated(
    self,
    key: base.PRNGKey,
    variables: tasks.Variables,
    count: int,
    variance: str = 'pooled',
  ) -> tasks.Variables:
    """Estimates statistics over the batches that would follow the training."""
    batches = (
      (*self._read(key, *step, self._task.train), variables.params)
      for step in self._batches(self._steps, self._steps + count)
    )
    stats = averaging.reestimate_batch_stats(
      self._new_stats, variables.stats, batches, variance
    )
    return variables._replace(stats=stats)

  def _batches(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields steps and the indices of their images, `[batch]`."""
    config, count = self._config, len(self._task.train.labels)
    rows = loop.batches(config.seed, first, last, count, config.batch_size)
    return zip(range(first, last), rows, strict=True)

  def _read_batch(self, key, step, indices, train):
    """Returns the images of a step, augmented, and their labels."""
    key = jax.random.fold_in(key, step)
    images = pixels.flip_and_shift(
      key, train.images[indices], self._config.shift
    )
    return images, train.labels[indices]

  def _one_step(self, state, step, indices, train):
    batch = self._read_batch(state.key, step, indices, train)
    fit, loss = self._fit(state.fit, *batch)
    average = self._averager.update(fit.variables, state.average)
    return state._replace(fit=fit, average=average), loss
