"""Training in subspaces: one row, or many rows in one compiled program."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from experiments import tasks
from paramspace import base
from paramspace import trees
from paramspace.launch import nonfinite


class Row(NamedTuple):
  """What distinguishes one row from the others.

  Attributes:
    key: The row's key.
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


def alone(function: Callable, in_axes: Any = 0) -> Callable:
  """Returns the function of a row as it is: there are no other rows."""
  del in_axes
  return function


class Program:
  """The three compiled functions of a row, or of many.

  They are written for one row. `each` makes of them functions of `n` rows, with
  `[n]` in front of every leaf of `Row`, `Start`, `State` and what is returned.
  """

  def __init__(
    self,
    task: tasks.Task,
    method: base.Reparam,
    config: ml_collections.ConfigDict,
    each: Callable[..., Callable] = alone,
    layout: Callable[[Any], Any] | None = None,
  ):
    """Compiles nothing yet.

    Args:
      task: Data, model and loss.
      method: The reparameterization.
      config: As in `configs/intrinsic_dimension/`.
      each: `(function, in_axes) -> function` of many rows, like `jax.vmap`.
      layout: Takes the shapes of a row's `Start` and `State`, and returns their
        shardings, where one row is spread over many devices.
    """
    self._task, self._method, self._config = task, method, config
    start, state = layout(self._shapes()) if layout else (None, None)
    self._start = jax.jit(each(self._start_row), out_shardings=(start, state))
    self._train = jax.jit(
      each(self._train_row, in_axes=(0, 0, 0, None, None, None)),
      donate_argnums=1,
      out_shardings=(state, None),
    )
    self._measure = jax.jit(each(self._measure_row, in_axes=(0, 0, 0, None)))

  def start(self, row: Row) -> tuple[Start, State]:
    """Initialises the row.

    Args:
      row: The row.

    Returns:
      What stays and what changes.
    """
    return self._start(row)

  def train(
    self, start: Start, state: State, row: Row, step: int, batches: jax.Array
  ) -> tuple[State, jax.Array]:
    """Trains on some batches.

    Args:
      start: What the row began with.
      state: Where it is; donated.
      row: The row.
      step: Steps behind it.
      batches: Indices of training images, `[orders, steps, batch]`.

    Returns:
      The new state, and the mean loss over the steps.
    """
    return self._train(start, state, row, step, batches, self._task.train)

  def measure(
    self, start: Start, state: State, row: Row
  ) -> dict[str, jax.Array]:
    """Returns loss and accuracy on the test split."""
    found = self._measure(start, state, row, self._task.test)
    return {'test_loss': found.loss, 'test_accuracy': found.accuracy}

  def size(self) -> int:
    """Returns D, the number of parameters of a row."""
    start, _ = self._shapes()
    return trees.size(start.params)

  def row_bytes(self) -> int:
    """Estimates the memory of one row, from shapes alone.

    Returns:
      Bytes of what the row keeps, of a second state, of theta and its
      gradient, and of the activations of a batch, that of training or of
      evaluation. A projection's workspace is not in it.
    """
    row, (start, state) = _row_shapes(), self._shapes()
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

  def _shapes(self) -> tuple[Start, State]:
    """Returns the shapes of what `start` returns for one row."""
    return jax.eval_shape(self._start_row, _row_shapes())

  def _start_row(self, row: Row) -> tuple[Start, State]:
    params = self._task.init(jax.random.fold_in(row.key, 0))
    z, frozen = self._method.init(jax.random.fold_in(row.key, 1), params)
    start = Start(params, frozen)
    moved = start if self._config.rebase_every else None
    return start, State(moved, z, self._optimizer(row).init(z))

  def _train_row(self, start, state, row, step, batches, train):
    """Scans over the batches."""
    keep = nonfinite.keep(self._config.nonfinite)

    def one_step(state, inputs):
      step, indices = inputs
      at = indices[row.order]
      loss, grad = jax.value_and_grad(self._loss)(
        state.z, state.moved or start, row, train.images[at], train.labels[at]
      )
      updates, optimizer = self._optimizer(row).update(
        grad, state.optimizer, state.z
      )
      new = State(state.moved, optax.apply_updates(state.z, updates), optimizer)
      kept = keep(new, state, (loss, grad)).state
      return self._rebase(kept, row, step), loss

    steps = step + jnp.arange(batches.shape[1])
    by_step = jnp.swapaxes(batches, 0, 1)  # [steps, orders, batch]
    state, losses = jax.lax.scan(one_step, state, (steps, by_step))
    return state, losses.mean()

  def _measure_row(self, start, state, row, test):
    params = self._params(state.z, state.moved or start, row)
    return tasks.evaluate(self._task, params, test)

  def _params(self, z: Any, start: Start, row: Row) -> base.Params:
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

  def _optimizer(self, row: Row) -> optax.GradientTransformation:
    options = self._config.optimizer
    if options.name == 'adam':
      return optax.adam(row.learning_rate, b1=options.b1, b2=options.b2)
    return optax.sgd(row.learning_rate, momentum=options.momentum or None)

  def _rebase(self, state: State, row: Row, step: jax.Array) -> State:
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


def _row_shapes() -> Row:
  return jax.eval_shape(
    lambda: Row(jax.random.key(0), jnp.int32(0), jnp.zeros(()), jnp.int32(0))
  )
