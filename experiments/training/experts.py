"""Training with experts that are averaged: one row, or many in one program."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments import models
from experiments import tasks
from experiments.tasks import pixels
from paramspace import averaging
from paramspace import base
from paramspace import trees
from paramspace.launch import nonfinite

EXPERTS = r'params/block_\d+/ffn/.*'


class Row(NamedTuple):
  """What distinguishes one row from the others.

  Attributes:
    key: The row's key.
    share_rate: How far the experts are pulled together in the last step.
    learning_rate: The largest step size.
    order: Which of the batch orders the row reads.
  """

  key: jax.Array
  share_rate: jax.Array
  learning_rate: jax.Array
  order: jax.Array


class State(NamedTuple):
  """What changes in training, and is saved.

  Attributes:
    params: With experts, if there are any.
    optimizer: The optimizer's state.
  """

  params: base.Params
  optimizer: optax.OptState


class Program:
  """The three compiled functions of a row, or of many.

  They are written for one row. `each` makes of them functions of `n` rows, with
  `[n]` in front of every leaf of `Row`, `State` and what is returned.
  """

  def __init__(
    self,
    task: tasks.Task,
    config: ml_collections.ConfigDict,
    each: Callable[..., Callable] = lambda f, in_axes=0: f,
  ):
    """Compiles nothing yet.

    Args:
      task: Data, and the model without experts.
      config: As in `configs/averaging/experts_averaging_digits_vit.py`.
      each: `(function, in_axes) -> function` of many rows, like `jax.vmap`.
    """
    self._task, self._config = task, config
    self._network = models.make(
      classes=task.classes,
      **config.model,
      experts=config.experts,
      equal=config.equal,
    )
    count = len(task.train.labels)
    self._steps = config.epochs * (count // config.batch_size)
    self._start = jax.jit(each(self._start_row))
    self._train = jax.jit(
      each(self._train_row, in_axes=(0, 0, None, None, None)), donate_argnums=0
    )
    self._measure = jax.jit(each(self._measure_row, in_axes=(0, 0, None)))

  def start(self, row: Row) -> State:
    """Initialises the row."""
    return self._start(row)

  def train(
    self, state: State, row: Row, step: int, batches: np.ndarray
  ) -> tuple[State, jax.Array]:
    """Trains on some batches.

    Args:
      state: Where the row is; donated.
      row: The row.
      step: Steps behind it.
      batches: Indices of training images, `[orders, steps, batch]`.

    Returns:
      The new state, and the mean loss over the steps.
    """
    return self._train(state, row, step, batches, self._task.train)

  def measure(
    self, state: State, row: Row
  ) -> tuple[dict[str, jax.Array], base.Params]:
    """Measures on the test set.

    Args:
      state: Where the row is.
      row: The row.

    Returns:
      Loss and accuracy as one network and, `routed_*`, with experts; the
      distance between these relative to their norm, `spread`; and the network.
    """
    return self._measure(state, row, self._task.test)

  def _start_row(self, row: Row) -> State:
    params_key, experts_key = jax.random.split(jax.random.fold_in(row.key, 0))
    params = self._network.init(
      {'params': params_key, models.EXPERTS_RNG: experts_key},
      pixels.to_unit(self._task.train.images[: self._config.batch_size]),
    )
    return State(params, self._optimizer(row).init(params))

  def _train_row(self, state, row, step, batches, train):
    """Scans over the batches."""
    keep = nonfinite.keep(self._config.nonfinite)
    key = jax.random.fold_in(row.key, 1)

    def loss(params, step, images, labels):
      logits = self._apply(params, images, jax.random.fold_in(key, step))
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
      return losses.mean()

    def one_step(state, inputs):
      step, indices = inputs
      at = indices[row.order]
      value, grad = jax.value_and_grad(loss)(
        state.params, step, train.images[at], train.labels[at]
      )
      updates, optimizer = self._optimizer(row).update(
        grad, state.optimizer, state.params
      )
      params = self._pull(
        optax.apply_updates(state.params, updates), step + 1, row
      )
      new = State(params, optimizer)
      return keep(new, state, (value, grad)).state, value

    steps = step + jnp.arange(batches.shape[1])
    by_step = jnp.swapaxes(batches, 0, 1)  # [steps, orders, batch]
    state, losses = jax.lax.scan(one_step, state, (steps, by_step))
    return state, losses.mean()

  def _measure_row(self, state, row, test):
    key = jax.random.fold_in(row.key, 2)
    routed = self._task._replace(
      apply=lambda params, images: self._apply(params, images, key)
    )
    collapsed = state.params
    if self._config.experts:
      collapsed = averaging.collapse_experts(state.params, EXPERTS)
    found = {
      'test': tasks.evaluate(self._task, collapsed, test),
      'routed': tasks.evaluate(routed, state.params, test),
    }
    metrics = {
      f'{name}_{metric}': value
      for name, evaluation in found.items()
      for metric, value in evaluation._asdict().items()
    }
    return {**metrics, 'spread': self._spread(state.params)}, collapsed

  def _apply(self, params, images, key):
    rngs = {models.EXPERTS_RNG: key}
    return self._network.apply(params, pixels.to_unit(images), rngs=rngs)

  def _pull(self, params: base.Params, step: jax.Array, row: Row):
    """Moves the experts together, as far as after `step` steps."""
    if not self._config.experts:
      return params
    rate = averaging.share_rate(step, self._steps, row.share_rate)
    return averaging.pull_experts(params, rate, EXPERTS)

  def _spread(self, params: base.Params) -> jax.Array:
    """Returns the deviation of the experts from their mean, over its norm."""
    if not self._config.experts:
      return jnp.zeros(())
    leaves = trees.named(params)
    stacks = [leaves[name] for name in trees.match(params, EXPERTS)]
    means = [x.mean(axis=0, keepdims=True) for x in stacks]
    apart = sum(
      jnp.sum((x - m) ** 2) / len(x) for x, m in zip(stacks, means, strict=True)
    )
    return jnp.sqrt(apart / sum(jnp.sum(m**2) for m in means))

  def _optimizer(self, row: Row) -> optax.GradientTransformation:
    options = self._config.optimizer
    shape = optax.warmup_cosine_decay_schedule(
      0.0, 1.0, round(options.warmup * self._steps), self._steps
    )
    return optax.adamw(
      lambda count: row.learning_rate * shape(count),
      weight_decay=options.weight_decay,
    )
