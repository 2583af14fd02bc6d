"""Post-hoc averages: the width of the average, chosen after the training.

One run at a constant rate keeps snapshots of two power function averages. Every
other width is made from them when the run is over, and compared with averages
of that width that were tracked all along.

References:
  Karras et al, 2023, Analyzing and Improving the Training Dynamics of Diffusion
  Models, https://arxiv.org/abs/2312.02696.
"""

import warnings
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments import tasks
from experiments.training import loop
from paramspace import averaging
from paramspace import base
from paramspace import trees
from paramspace.launch import nonfinite

Config = ml_collections.ConfigDict


class State(NamedTuple):
  """What changes in training, and is saved.

  Attributes:
    params: The parameters.
    optimizer: The optimizer's state.
    averages: The state of each average, first the sources.
  """

  params: base.Params
  optimizer: optax.OptState
  averages: list[averaging.RunningState]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains once, then sweeps the width.

  Args:
    config: See `configs/averaging/posthoc_ema_fashion_fc.py`.
    run: A `launch.run.Run`.

  Returns:
    Of the last iterate, loss and accuracy on the test set; lists of the same of
    every width in `config.targets`, with the residual of its profile; of every
    width in `config.tracked`, with the relative error of the parameters that
    are reconstructed from `config.counts` snapshots of each source.
  """
  task = tasks.make(data=config.data, model=config.model)
  total = config.epochs * (len(task.train.labels) // config.batch_size)
  moments = [
    total * (i + 1) // config.snapshots for i in range(config.snapshots)
  ]
  state = _train(config, run, task, total, moments)
  evaluate = jax.jit(lambda params, test: tasks.evaluate(task, params, test))
  measure = lambda params: loop.fetch(evaluate(params, task.test)._asdict())

  def reconstruct(sigma_rel, count=config.snapshots):
    kept = moments[:: -(config.snapshots // count)][::-1]
    found = _coefficients(config.sources, kept, sigma_rel)
    snapshots = _snapshots(run, kept, len(config.sources))
    return found, averaging.combine(found.weights, snapshots)

  def compare(sigma_rel, params, count):
    found, made = reconstruct(sigma_rel, count)
    return found.residual, _distance(made, params)

  swept = [reconstruct(s) for s in config.targets]
  qualities = [measure(params) for _, params in swept]
  direct = [
    averager.value(one)
    for averager, one in zip(_averagers(config), state.averages, strict=True)
  ][len(config.sources) :]
  tracked = [measure(params) for params in direct]
  compared = [
    [compare(s, params, count) for count in config.counts]
    for s, params in zip(config.tracked, direct, strict=True)
  ]
  last = measure(state.params)
  return {
    'test_loss': last['loss'],
    'test_accuracy': last['accuracy'],
    'posthoc_loss': [q['loss'] for q in qualities],
    'posthoc_accuracy': [q['accuracy'] for q in qualities],
    'posthoc_residual': [found.residual for found, _ in swept],
    'posthoc_l1': [found.l1 for found, _ in swept],
    'tracked_loss': [q['loss'] for q in tracked],
    'tracked_accuracy': [q['accuracy'] for q in tracked],
    'tracked_residual': [[x for x, _ in row] for row in compared],
    'tracked_error': [[x for _, x in row] for row in compared],
    'steps': total,
    'D': trees.size(state.params),
    'data_digest': task.digest,
  }


def _averagers(config: Config) -> list[base.Averager]:
  """Returns the sources, then those that are tracked for comparison."""
  widths = (*config.sources, *config.tracked)
  return [averaging.averager(averaging.power(sigma_rel=s)) for s in widths]


def _train(
  config: Config, run: Any, task: tasks.Task, total: int, moments: Sequence[int]
) -> State:
  """Trains to the end, and keeps the sources at every moment."""
  averagers = _averagers(config)
  options = config.optimizer
  optimizer = optax.sgd(options.learning_rate, options.momentum)
  keep = nonfinite.keep(config.nonfinite)

  @jax.jit
  def start(key: jax.Array) -> State:
    params = task.init(key)
    averages = [averager.init(params) for averager in averagers]
    return State(params, optimizer.init(params), averages)

  def step(state: State, batch: tasks.Split) -> tuple[State, jax.Array]:
    loss, gradient = jax.value_and_grad(task.loss)(state.params, *batch)
    updates, moved = optimizer.update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    averages = [
      averager.update(params, one)
      for averager, one in zip(averagers, state.averages, strict=True)
    ]
    new = State(params, moved, averages)
    return keep(new, state, (loss, gradient)).state, loss

  def steps(state, indices, train):
    take = lambda state, at: step(
      state, tasks.Split(train.images[at], train.labels[at])
    )
    state, losses = jax.lax.scan(take, state, indices)
    return state, losses.mean()

  steps = jax.jit(steps, donate_argnums=0)
  count = len(task.train.labels)

  def advance(state, first, last):
    batches = loop.batches(config.seed, first, last, count, config.batch_size)
    state, loss = steps(state, jnp.asarray(batches), task.train)
    if last in moments:
      for i in range(len(config.sources)):
        mean = averagers[i].value(state.averages[i])
        run.save(f'average-{i}-step-{last}', mean)
    return state, {'train_loss': loss}

  return loop.train(
    run,
    start(jax.random.key(config.seed)),
    loop.stops(total, config.execution.log_every, moments),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{task.name}, seed {config.seed}',
    show=lambda scalars: {'loss': float(scalars['train_loss'])},
  )


def _snapshots(
  run: Any, moments: Sequence[int], sources: int
) -> Iterator[base.Params]:
  """Reads what `_train` kept, one tree at a time."""
  for moment in moments:
    for i in range(sources):
      yield run.load(f'average-{i}-step-{moment}')


def _coefficients(
  sources: Sequence[float], moments: Sequence[int], sigma_rel: float
) -> averaging.Coefficients:
  """Returns how to sum the snapshots; the residual says how well."""
  with warnings.catch_warnings():  # The figure shows where it extrapolates.
    warnings.simplefilter('ignore', RuntimeWarning)
    return averaging.posthoc(
      [(t, averaging.power(sigma_rel=s)) for t in moments for s in sources],
      (moments[-1], averaging.power(sigma_rel=sigma_rel)),
    )


def _distance(a: base.Params, b: base.Params) -> float:
  """Returns |a - b| / |b|, over all leaves."""
  square = lambda x: sum(
    float(np.square(np.asarray(leaf, np.float64)).sum())
    for leaf in jax.tree.leaves(x)
  )
  return (square(jax.tree.map(np.subtract, a, b)) / square(b)) ** 0.5
