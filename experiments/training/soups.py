"""Training the members of soups: all of them as rows of one program."""

from typing import Any
from typing import NamedTuple

import jax
import ml_collections
import numpy as np
import optax

from experiments import tasks
from experiments.training import loop
from paramspace import base
from paramspace.launch import nonfinite


class Row(NamedTuple):
  """How a member is fine-tuned; every leaf is `[rows]` for many.

  Attributes:
    seed: Of the order of its batches.
    learning_rate: The step size.
    weight_decay: The decay, as a fraction of a step.
  """

  seed: np.ndarray
  learning_rate: np.ndarray
  weight_decay: np.ndarray


class State(NamedTuple):
  """What changes in training.

  Attributes:
    params: The parameters, `[rows, *s]`.
    optimizer: The optimizers' states.
  """

  params: base.Params
  optimizer: optax.OptState


def rows(config: ml_collections.ConfigDict) -> Row:
  """Draws how each member of each set is fine-tuned.

  Args:
    config: As in `configs/averaging/soups_mnist.py`.

  Returns:
    Rows, those of one set after those of another.
  """
  count, tune = config.sets * config.members, config.finetune
  generator = np.random.default_rng([config.seed, 1])
  choose = lambda x: generator.choice(np.array(x, np.float32), count)
  return Row(
    seed=generator.integers(2**32, size=count, dtype=np.uint32),
    learning_rate=choose(tune.learning_rates),
    weight_decay=choose(tune.weight_decays),
  )


class Program:
  """The compiled functions of all rows."""

  def __init__(self, task: tasks.Task, config: ml_collections.ConfigDict):
    """Compiles nothing yet.

    Args:
      task: Data, model and loss.
      config: As in `configs/averaging/soups_mnist.py`.
    """
    self._task, self._config = task, config
    self._train = jax.jit(jax.vmap(self._train_row, in_axes=(0, 0, 0, 0, None)))
    self._accuracy = jax.jit(
      lambda params, split: tasks.evaluate(task, params, split).accuracy
    )
    self._probabilities = jax.jit(
      jax.vmap(
        lambda params, images: jax.nn.softmax(task.apply(params, images)),
        in_axes=(0, None),
      )
    )

  def pretrain(self) -> base.Params:
    """Trains the initialisations, `[sets, *s]`, or one for each member.

    It takes a fraction of the time of the fine-tuning, and is not saved on the
    way.
    """
    options, config = self._config.pretrain, self._config
    count = config.sets * (1 if config.shared else config.members)
    generator = np.random.default_rng([config.seed, 0])
    seeds = generator.integers(2**32, size=count, dtype=np.uint32)
    full = lambda x: np.full(count, x, np.float32)
    row = Row(seeds, full(options.learning_rate), full(0.0))
    keys = jax.random.split(jax.random.key(config.seed), count)
    state = self.start(jax.jit(jax.vmap(self._task.init))(keys), row)
    steps = options.epochs * (options.examples // config.batch_size)
    return self.train(state, row, 0, steps, options.examples)[0].params

  def start(self, params: base.Params, row: Row) -> State:
    """Returns the state of rows that begin with `params`, `[rows, *s]`."""
    init = lambda params, *rates: self._optimizer(*rates).init(params)
    optimizer = jax.vmap(init)(params, row.learning_rate, row.weight_decay)
    return State(params, optimizer)

  def train(
    self, state: State, row: Row, first: int, last: int, examples: int
  ) -> tuple[State, jax.Array]:
    """Trains from step `first` to `last`.

    Args:
      state: Where the rows are.
      row: The rows.
      first: Steps behind them.
      last: Steps behind them afterwards.
      examples: How many of the training set are used, from its beginning.

    Returns:
      The new state, and the mean loss over the steps, `[rows]`.
    """
    size = self._config.batch_size
    batches = np.stack(
      [loop.batches(int(s), first, last, examples, size) for s in row.seed]
    )
    rates = row.learning_rate, row.weight_decay
    return self._train(state, *rates, batches, self._task.train)

  def probabilities(self, params: base.Params, images: jax.Array) -> np.ndarray:
    """Returns what models answer, `[models, n, classes]`.

    Args:
      params: The models, `[models, *s]`.
      images: uint8 `[n, H, W, C]`.
    """
    return np.asarray(self._probabilities(params, images))

  def accuracy(self, params: base.Params, split: tasks.Split) -> jax.Array:
    """Returns the accuracy of one model on a split."""
    return self._accuracy(params, split)

  def _train_row(
    self, state: State, rate: Any, decay: Any, batches: Any, train: tasks.Split
  ) -> tuple[State, jax.Array]:
    """Scans over the batches, `[steps, batch]`."""
    keep = nonfinite.keep(self._config.nonfinite)

    def one_step(state, at):
      loss, grad = jax.value_and_grad(self._task.loss)(
        state.params, train.images[at], train.labels[at]
      )
      updates, optimizer = self._optimizer(rate, decay).update(
        grad, state.optimizer, state.params
      )
      new = State(optax.apply_updates(state.params, updates), optimizer)
      return keep(new, state, (loss, grad)).state, loss

    state, losses = jax.lax.scan(one_step, state, batches)
    return state, losses.mean()

  def _optimizer(self, rate: Any, decay: Any) -> optax.GradientTransformation:
    return optax.adamw(rate, weight_decay=decay)
