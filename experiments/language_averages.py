"""Averages of a language model's weights, while it is trained.

A point of the study is one training run. Beside the last iterate every average
is kept online, and evaluated on the validation text along the way and on the
test text at the end.

References:
  Kaddour, 2022, Stop Wasting My Time!, https://arxiv.org/abs/2209.14981.
  Karras et al, 2023, https://arxiv.org/abs/2312.02696, Section 3.
  Izmailov et al, 2018, https://arxiv.org/abs/1803.05407.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.tasks import language
from experiments.training import language as language_training
from experiments.training import loop
from paramspace import averaging
from paramspace import base
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

LAST = 'last'  # The last iterate, which is no average.

Config = ml_collections.ConfigDict


class State(NamedTuple):
  """What a checkpoint holds: all that the rest of the training depends on.

  Attributes:
    fit: Parameters and optimizer.
    averages: The averagers' states, by name.
    curves: Validation losses so far, float32 `[evaluations]`, by name.
  """

  fit: language_training.Fit
  averages: dict[str, Any]
  curves: dict[str, jax.Array]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one point.

  Args:
    config: See `configs/averaging/swa_tinyshakespeare_gpt.py`.
    run: A `launch.run.Run`.

  Returns:
    The steps of the evaluations; for the last iterate and each average the
    validation losses at them and the test loss at the end, in nats per byte;
    the size D; the sha256 of what was trained. The status is 'diverged' if the
    last loss is not finite.
  """
  with errors.usage():
    task = language.make(data=config.data, model=config.model)
    program = Program(task, config)
  stops = loop.stops(config.steps, -(-config.steps // config.evaluations))

  def advance(state, first, last):
    state, loss = program.train(state, first, last)
    found = program.evaluate(state, task.validation)
    at = stops.index(last)
    curves = {n: x.at[at].set(found[n]) for n, x in state.curves.items()}
    losses = {f'{_word(n)}_validation_loss': x for n, x in found.items()}
    return state._replace(curves=curves), {'train_loss': loss, **losses}

  state = loop.train(
    run,
    program.start(len(stops)),
    stops,
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=task.name,
    show=lambda scalars: {'loss': float(scalars['last_validation_loss'])},
  )
  test = loop.fetch(program.evaluate(state, task.test))
  return {
    'status': 'done' if math.isfinite(test[LAST]) else 'diverged',
    'steps': stops,
    'test_loss': test,
    'validation_loss': {n: x.tolist() for n, x in state.curves.items()},
    'D': trees.size(state.fit.params),
    'data_digest': task.digest,
    'digest': manifest.digest(state.fit.params),
  }


def averagers(config: Config) -> dict[str, base.Averager]:
  """Returns every average of the config, by a name such as `'EMA 0.99'`.

  Raises:
    ValueError: If one is out of its range.
  """
  running = averaging.averager
  half = config.steps // 2
  return {
    **{f'EMA {d}': running(averaging.ema(d, debias=True)) for d in config.ema},
    **{
      f'power {sigma}': running(averaging.power(sigma_rel=sigma))
      for sigma in config.power
    },
    'uniform from half': running(averaging.uniform(), start=half),
    **{
      f'LAWA {config.lawa.k}x{every}': averaging.window(config.lawa.k, every)
      for every in config.lawa.every
    },
  }


class Program:
  """The compiled functions of one run."""

  def __init__(self, task: language.Task, config: Config):
    """Compiles nothing yet.

    Args:
      task: Data, model and loss.
      config: As in `run`.

    Raises:
      ValueError: If the optimizer or an average is out of its range.
    """
    self._task, self._config = task, config
    self._averagers = averagers(config)
    self._optimizer = language_training.optimizer(config.optimizer)
    self._rates = np.float32(
      config.optimizer.learning_rate
    ) * language_training.schedule(config.optimizer, config.steps)
    self._step = language_training.step(task, self._optimizer)
    self._start = jax.jit(self._start_state, static_argnums=1)
    self._train = jax.jit(self._train_steps, donate_argnums=0)
    self._values = jax.jit(self._candidates)
    self._evaluate = jax.jit(functools.partial(language.evaluate, task))

  def start(self, evaluations: int) -> State:
    """Returns the state before the first step."""
    return self._start(jax.random.key(self._config.seed), evaluations)

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
    config, train = self._config, self._task.train
    starts = language.starts(
      config.seed,
      first,
      last,
      count=len(train),
      context=self._task.context,
      batch=config.batch_size,
    )
    return self._train(state, train, starts, self._rates[first:last])

  def evaluate(self, state: State, tokens: jax.Array) -> Mapping[str, Any]:
    """Returns the loss of the last iterate and of every average, by name."""
    candidates = self._values(state.fit.params, state.averages)
    return {n: self._evaluate(x, tokens) for n, x in candidates.items()}

  def _start_state(self, key, evaluations):
    params = self._task.init(key)
    fit = language_training.Fit(params, self._optimizer.init(params))
    averages = {n: a.init(params) for n, a in self._averagers.items()}
    curves = {n: jnp.zeros(evaluations) for n in (LAST, *averages)}
    return State(fit, averages, curves)

  def _candidates(self, params, averages):
    values = {n: a.value(averages[n]) for n, a in self._averagers.items()}
    return {LAST: params, **values}

  def _train_steps(self, state, train, starts, rates):
    """Scans over the batches, `[steps, batch]`."""

    def one_step(carry, inputs):
      fit, averages = carry
      fit, loss = self._step(fit, train, *inputs)
      averages = {
        n: a.update(fit.params, averages[n]) for n, a in self._averagers.items()
      }
      return (fit, averages), loss

    carry = state.fit, state.averages
    carry, losses = jax.lax.scan(one_step, carry, (starts, rates))
    return State(*carry, state.curves), losses.mean()


def _word(name: str) -> str:
  """Returns a name for metrics, `'power_0.1'` for `'power 0.1'`."""
  return name.lower().replace(' ', '_')
