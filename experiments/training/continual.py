"""Training a language model on one text, and then on another."""

import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.tasks import language
from experiments.training import language as language_training
from paramspace import averaging
from paramspace import base

Config = ml_collections.ConfigDict


class Method(NamedTuple):
  """How the second text is trained on.

  Attributes:
    branches: Models that are trained apart, each on one slice, and merged.
    merge: `(start, models) -> model`, where `start` is what they came from.
    whole: Whether all slices are one.
  """

  branches: int
  merge: Callable[[base.Params, Sequence[base.Params]], base.Params]
  whole: bool = False


def methods(branches: int) -> dict[str, Method]:
  """Returns what is compared, by name.

  Args:
    branches: K of branch-and-merge.

  Returns:
    `'sequential'` is training as usual. `'in slices'` starts the optimizer and
    the learning rate anew on each slice, and so differs from `'BaM linear'` in
    nothing but that it does not branch.

  Raises:
    ValueError: If there are not two branches, which an arc is between.
  """
  if branches != 2:
    raise ValueError(f'`branches` must be 2, to lie on an arc, got {branches}.')
  soup = lambda start, models: averaging.uniform_soup(models)
  arc = lambda start, models: averaging.slerp(*models, t=0.5, base=start)
  return {
    'sequential': Method(1, soup, whole=True),
    'in slices': Method(1, soup),
    'BaM linear': Method(branches, soup),
    'BaM slerp': Method(branches, arc),
  }


class Slice(NamedTuple):
  """A part of the second text, and of the steps.

  Attributes:
    begin: The first token.
    end: The token behind the last.
    first: The steps behind it, counted through the slices.
    steps: How many steps it is trained on.
  """

  begin: int
  end: int
  first: int
  steps: int


def slices(tokens: int, steps: int, count: int) -> list[Slice]:
  """Splits a text and the steps into parts of one size.

  Args:
    tokens: In the text; the few that are left over are in no slice.
    steps: In all, a multiple of `count`.
    count: N.

  Raises:
    ValueError: If the steps cannot be split.

  >>> slices(tokens=9, steps=4, count=2)[1]
  Slice(begin=4, end=8, first=2, steps=2)
  """
  if count < 1 or steps % count:
    raise ValueError(f'{count} slices cannot share {steps} steps evenly.')
  size, share = tokens // count, steps // count
  return [
    Slice(i * size, (i + 1) * size, i * share, share) for i in range(count)
  ]


class Program:
  """The compiled functions of one seed."""

  def __init__(
    self, first: language.Task, second: language.Task, config: Config
  ):
    """Compiles nothing yet.

    Args:
      first: The text that is trained on first, with the model.
      second: The text that comes then.
      config: See `configs/averaging/branch_and_merge_text.py`.

    Raises:
      ValueError: If the optimizer or the slices are out of their ranges.
    """
    self._first, self._second, self._config = first, second, config
    self._methods = methods(config.branches)
    self._slices = slices(len(second.train), config.second.steps, config.slices)
    self._whole = slices(len(second.train), config.second.steps, 1)
    self._optimizer = language_training.optimizer(config.optimizer)
    rate = np.float32(config.first.learning_rate)
    self._rates = rate * language_training.schedule(
      config.optimizer, config.first.steps
    )
    self._step = language_training.step(first, self._optimizer)
    self._start = jax.jit(self._started)
    self._train = jax.jit(self._train_steps)
    self._evaluate = jax.jit(functools.partial(language.evaluate, first))

  def start(self) -> language_training.Fit:
    """Returns the model before the first step."""
    key = jax.random.key(self._config.seed)
    return self._start(jax.jit(self._first.init)(key))

  def train_first(
    self, fit: language_training.Fit, first: int, last: int
  ) -> tuple[language_training.Fit, jax.Array]:
    """Trains on the first text from one step to another.

    Args:
      fit: Where it is.
      first: Steps behind it.
      last: Steps behind it afterwards.

    Returns:
      Where it is then, and the mean loss over the steps.
    """
    tokens = self._first.train
    starts = self._starts(first, last, len(tokens))
    return self._train(fit, tokens, starts, self._rates[first:last])

  def train_second(
    self, origin: base.Params, name: str, learning_rate: float
  ) -> base.Params:
    """Trains on all of the second text.

    Args:
      origin: Where it starts.
      name: A key of `methods`.
      learning_rate: The largest.

    Returns:
      The parameters in the end.
    """
    method, params = self._methods[name], origin
    parts = self._whole if method.whole else self._slices
    train = lambda part, params: self._on_slice(part, params, learning_rate)
    return averaging.branch_and_merge(
      params, parts, train, method.branches, method.merge
    )

  def measure(self, origin: base.Params, params: base.Params) -> np.ndarray:
    """Returns the two test losses and the distance to `origin`, `[3]`."""
    squares = jax.tree.map(lambda x, y: jnp.sum((x - y) ** 2), params, origin)
    found = (
      self._evaluate(params, self._first.test),
      self._evaluate(params, self._second.test),
      jnp.sqrt(sum(jax.tree.leaves(squares))),
    )
    return np.array(jax.device_get(found), np.float32)

  def _on_slice(
    self, part: Slice, params: base.Params, learning_rate: float
  ) -> base.Params:
    """Trains on one slice, with a new optimizer."""
    shares = language_training.schedule(self._config.optimizer, part.steps)
    rates = np.float32(learning_rate) * shares
    starts = part.begin + self._starts(
      # The steps behind the first text are others than those on it.
      self._config.first.steps + part.first,
      self._config.first.steps + part.first + part.steps,
      part.end - part.begin,
    )
    fit, size = self._start(params), self._slices[0].steps
    for i in range(0, part.steps, size):  # One program, whatever the method.
      at = slice(i, i + size)
      fit, _ = self._train(fit, self._second.train, starts[at], rates[at])
    return fit.params

  def _starts(self, first: int, last: int, count: int) -> np.ndarray:
    config, context = self._config, self._first.context
    return language.starts(
      config.seed, first, last, count, context, config.batch_size
    )

  def _started(self, params):
    return language_training.Fit(params, self._optimizer.init(params))

  def _train_steps(self, fit, tokens, starts, rates):
    """Scans over the batches, `[steps, batch]`."""
    one_step = lambda fit, inputs: self._step(fit, tokens, *inputs)
    fit, losses = jax.lax.scan(one_step, fit, (starts, rates))
    return fit, losses.mean()
