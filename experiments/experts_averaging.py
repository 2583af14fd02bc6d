"""Experts weight averaging: experts while training, one network at inference.

A point is one training run of a vision transformer, with one `seed`. Its FFNs
are plain, with `experts` 0, or `experts` that share the tokens at random. These
are pulled towards their mean after every step, by a rate that rises to
`share_rate`, and collapse into their mean at the end: the model that is
measured has the same size, and takes the same time, in either case.

References:
  Huang et al, 2023, Experts Weights Averaging: A New General Training Scheme
  for Vision Transformers, https://arxiv.org/abs/2308.06093.
"""

import math
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import tasks
from experiments.training import experts as experts_training
from experiments.training import loop
from paramspace import sharding
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

VMAPPABLE = ('optimizer.learning_rate', 'seed', 'share_rate')

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one point.

  Args:
    config: See `configs/averaging/experts_averaging_digits_vit.py`.
    run: A `launch.run.Run`.

  Returns:
    Accuracy and loss of the collapsed model on the test set; those before the
    collapse, `routed_*`; how far the experts are apart, `spread`; the number of
    parameters at inference, D; the sha256 of the collapsed model.
  """
  with errors.usage():
    task = _task(config)
    row = jax.tree.map(lambda x: x[0], _rows([config]))
    program = experts_training.Program(task, config)
    state = program.start(row)
  return _train([config], run, _Training(task, program, row), state)[0]


def run_batch(configs: Sequence[Config], run: Any) -> list[dict[str, Any]]:
  """Trains points that differ in the `VMAPPABLE` keys, in one program.

  Args:
    configs: One for each row.
    run: A `launch.run.BatchRun`.

  Returns:
    For each row what `run` returns.
  """
  with errors.usage():
    task, rows = _task(configs[0]), run.place(_rows(configs))
    if isinstance(rows.order.sharding, jax.NamedSharding):
      task = _on(rows.order.sharding.mesh, task)
    program = experts_training.Program(task, configs[0], run.each)
    state = run.place(program.start(rows))
  return _train(configs, run, _Training(task, program, rows), state)


class _Training(NamedTuple):
  """What stays the same in training.

  Attributes:
    task: Data, and the model without experts.
    program: The compiled functions.
    row: The row, or all of them.
  """

  task: tasks.Task
  program: experts_training.Program
  row: experts_training.Row


class _Saved(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    key: The rows' keys.
    state: What changes.
  """

  key: jax.Array
  state: experts_training.State


def _train(
  configs: Sequence[Config],
  run: Any,
  at: _Training,
  state: experts_training.State,
) -> list[dict[str, Any]]:
  config, count = configs[0], len(at.task.train.labels)
  seeds = _seeds(configs)

  def advance(saved, first, last):
    batches = np.stack(
      [loop.batches(s, first, last, count, config.batch_size) for s in seeds]
    )
    row = at.row._replace(key=saved.key)
    state, loss = at.program.train(saved.state, row, first, batches)
    return saved._replace(state=state), {'train_loss': loss}

  saved = loop.train(
    run,
    _Saved(at.row.key, state),
    loop.stops(
      config.epochs * (count // config.batch_size), config.execution.log_every
    ),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{at.task.name}: {len(configs)} runs',
    show=lambda m: {'train_loss': float(np.mean(m['train_loss']))},
  )
  row = at.row._replace(key=saved.key)
  metrics, collapsed = at.program.measure(saved.state, row)
  if not np.ndim(metrics['test_loss']):
    metrics, collapsed = jax.tree.map(lambda x: x[None], (metrics, collapsed))
  of = lambda i: jax.tree.map(lambda x: x[i], (metrics, collapsed))
  return [_result(at, *of(i)) for i in range(len(configs))]


def _task(config: Config) -> tasks.Task:
  """Returns the data, cut to what is trained on, and the plain model."""
  task = tasks.make(data=config.data, model=config.model)
  count = len(task.train.labels)
  if not config.batch_size <= config.train_examples <= count:
    raise ValueError(
      '`train_examples` must lie between `batch_size` = '
      f'{config.batch_size} and the {count} there are, got '
      f'{config.train_examples}.'
    )
  cut = tasks.Split(*(x[: config.train_examples] for x in task.train))
  return task._replace(train=cut)


def _on(mesh: jax.sharding.Mesh, task: tasks.Task) -> tasks.Task:
  """Returns the task with its data on every device of the mesh."""
  copy = lambda x: sharding.place(x, sharding.replicate(x, mesh))
  return task._replace(train=copy(task.train), test=copy(task.test))


def _rows(configs: Sequence[Config]) -> experts_training.Row:
  """Returns what distinguishes the configs, `[n]` in every leaf."""
  seeds = _seeds(configs)
  for c in configs:
    if not 0 <= c.share_rate <= 1:
      raise ValueError(f'`share_rate` must lie in [0, 1], got {c.share_rate}.')
  return experts_training.Row(
    key=jax.vmap(jax.random.key)(jnp.array([c.seed for c in configs])),
    share_rate=jnp.array([float(c.share_rate) for c in configs]),
    learning_rate=jnp.array([c.optimizer.learning_rate for c in configs]),
    order=jnp.array([seeds.index(c.seed) for c in configs]),
  )


def _seeds(configs: Sequence[Config]) -> list[int]:
  """Returns the seeds, each of which has its own order of the batches."""
  return sorted({c.seed for c in configs})


def _result(
  at: _Training, metrics: dict[str, jax.Array], collapsed: Any
) -> dict[str, Any]:
  metrics = loop.fetch(metrics)
  return {
    'status': 'done' if math.isfinite(metrics['test_loss']) else 'diverged',
    **metrics,
    'D': trees.size(collapsed),
    'data_digest': at.task.digest,
    'digest': manifest.digest(collapsed),
  }
