"""Training many rows in subspaces, as one compiled program."""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from experiments import tasks
from paramspace import base
from paramspace import trees


class Rows(NamedTuple):
  """What distinguishes the rows; a leading axis `[n]` on every leaf.

  Attributes:
    key: Each row's key.
    dim: The number of trained coordinates.
    learning_rate: The step size.
    order: Which of the batch orders the row reads.
  """

  key: jax.Array
  dim: jax.Array
  learning_rate: jax.Array
  order: jax.Array


class Start(NamedTuple):
  """What a row begins with, and keeps unless the basis is redrawn.

  Attributes:
    params: The origin theta_0.
    frozen: The frozen part of the reparameterization.
  """

  params: base.Params
  frozen: Any


class State(NamedTuple):
  """What changes in training, and is saved.

  Attributes:
    moved: The present `Start` where the basis is redrawn, else None.
    z: The coordinates.
    optimizer: The optimizer's state.
  """

  moved: Start | None
  z: Any
  optimizer: optax.OptState


class Program:
  """The three compiled functions of a group of rows."""

  def __init__(
    self,
    task: tasks.Task,
    method: base.Reparam,
    config: ml_collections.ConfigDict,
  ):
    self._task, self._method, self._config = task, method, config
    self._start = jax.jit(jax.vmap(self._start_row))
    self._train = jax.jit(self._train_rows, donate_argnames='state')
    self._measure = jax.jit(self._measure_rows)

  def start(self, rows: Rows) -> tuple[Start, State]:
    """Initialises every row.

    Args:
      rows: The rows.

    Returns:
      What stays and what changes, `[n]` in front of every leaf.
    """
    return self._start(rows)

  def train(
    self, start: Start, state: State, rows: Rows, step: int, batches: jax.Array
  ) -> tuple[State, jax.Array]:
    """Trains every row on the same number of batches.

    Args:
      start: What the rows began with.
      state: Where they are; donated.
      rows: The rows.
      step: Steps behind them.
      batches: Indices of training images, `[orders, steps, batch]`.

    Returns:
      The new state, and each row's mean loss over the steps, `[n]`.
    """
    return self._train(start, state, rows, step, batches, self._task.train)

  def measure(
    self, start: Start, state: State, rows: Rows
  ) -> dict[str, jax.Array]:
    """Returns loss and accuracy on the test split, `[n]` each."""
    found = self._measure(start, state, rows, self._task.test)
    return {'test_loss': found.loss, 'test_accuracy': found.accuracy}

  def size(self, start: Start) -> int:
    """Returns D, the number of parameters of one row."""
    row = jax.eval_shape(
      lambda p: jax.tree.map(lambda x: x[0], p), start.params
    )
    return trees.size(row)

  def row_bytes(self) -> int:
    """Estimates the memory of one row, from shapes alone.

    Returns:
      Bytes of what the row keeps, of a second state, of theta and its
      gradient, and of the activations of a batch, that of training or of
      evaluation. A projection's workspace is not in it.
    """
    row = jax.eval_shape(
      lambda: Rows(jax.random.key(0), jnp.int32(0), jnp.zeros(()), jnp.int32(0))
    )
    start, state = jax.eval_shape(self._start_row, row)
    images, labels = self._task.train
    batch = max(self._config.batch_size, tasks.BATCH_SIZE)
    shaped = lambda x: jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)
    # The residuals of the backward pass are the leaves of a `vjp` function.
    residuals = jax.eval_shape(
      lambda z, start, row, *of: jax.vjp(
        lambda z: self._loss(z, start, row, *of), z
      )[1],
      state.z,
      start,
      row,
      shaped(images),
      shaped(labels),
    )
    kept = start, state, state, start.params, start.params, residuals
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(kept))

  def _start_row(self, row: Rows) -> tuple[Start, State]:
    params = self._task.init(jax.random.fold_in(row.key, 0))
    z, frozen = self._method.init(jax.random.fold_in(row.key, 1), params)
    start = Start(params, frozen)
    moved = start if self._config.rebase_every else None
    return start, State(moved, z, self._optimizer(row).init(z))

  def _train_rows(self, start, state, rows, step, batches, train):
    """Scans over the batches; each step trains every row."""

    def train_row(start, state, row, step, indices):
      at = indices[row.order]
      loss, grad = jax.value_and_grad(self._loss)(
        state.z, state.moved or start, row, train.images[at], train.labels[at]
      )
      updates, optimizer = self._optimizer(row).update(
        grad, state.optimizer, state.z
      )
      z = optax.apply_updates(state.z, updates)
      return self._rebase(State(state.moved, z, optimizer), row, step), loss

    def one_step(state, inputs):
      step, indices = inputs
      return jax.vmap(train_row, (0, 0, 0, None, None))(
        start, state, rows, step, indices
      )

    steps = step + jnp.arange(batches.shape[1])
    by_step = jnp.swapaxes(batches, 0, 1)  # [steps, orders, batch]
    state, losses = jax.lax.scan(one_step, state, (steps, by_step))
    return state, losses.mean(axis=0)

  def _measure_rows(self, start, state, rows, test):
    def measure_row(start, state, row):
      params = self._params(state.z, state.moved or start, row)
      return tasks.evaluate(self._task, params, test)

    return jax.vmap(measure_row)(start, state, rows)

  def _params(self, z: Any, start: Start, row: Rows) -> base.Params:
    """Returns theta at `z`, whose coordinates from `row.dim` on are masked."""
    if not self._config.direct:
      dim = self._config.method.dim
      z = jnp.where(jnp.arange(dim) < row.dim, z, 0)
      if self._config.method.scale == 'rms':  # Rows of the first `dim` columns.
        z = z * jnp.sqrt(dim / row.dim.astype(z.dtype))
    return self._method.apply(start.params, z, start.frozen)

  def _loss(self, z, start, row, images, labels):
    params = self._params(z, start, row)
    loss = self._task.loss(params, images, labels)
    if self._config.l2:  # On theta, not on z.
      leaves = jax.tree.leaves(params)
      squares = sum(jnp.sum(x**2) for x in leaves if x.ndim > 1)
      loss = loss + self._config.l2 * squares
    return loss

  def _optimizer(self, row: Rows) -> optax.GradientTransformation:
    options = self._config.optimizer
    if options.name == 'adam':
      return optax.adam(row.learning_rate, b1=options.b1, b2=options.b2)
    return optax.sgd(row.learning_rate, momentum=options.momentum or None)

  def _rebase(self, state: State, row: Rows, step: jax.Array) -> State:
    """Draws a new basis at the current point, every `rebase_every` steps."""
    every = self._config.rebase_every
    if not every:
      return state

    def redraw(state):
      key = jax.random.fold_in(jax.random.fold_in(row.key, 2), step)
      params = self._params(state.z, state.moved, row)
      z, frozen = self._method.init(key, params)
      optimizer = self._optimizer(row).init(z)  # Moments of the old basis go.
      return State(Start(params, frozen), z, optimizer)

    if every == 1:
      return redraw(state)
    return jax.lax.cond((step + 1) % every == 0, redraw, lambda s: s, state)
