"""The intrinsic dimension of a problem: train in subspaces of many sizes.

A point of the study is one training run, with one `seed`, in the first `dim`
coordinates of a map of `method.dim`, or with `direct` of all parameters. The
points of a sweep are the rows of one vmapped program.

References:
  Li et al, 2018, Measuring the Intrinsic Dimension of Objective Landscapes,
  https://arxiv.org/abs/1804.08838.
"""

import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import data as datasets
from experiments import subspace_training
from experiments import tasks
from paramspace import base
from paramspace import reparam
from paramspace import resolve
from paramspace.launch import errors

VMAPPABLE = ('dim', 'optimizer.learning_rate', 'seed')

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one point.

  Args:
    config: See `configs/intrinsic_dimension/`.
    run: A `launch.run.Run`.

  Returns:
    The accuracy and losses at the end, the sizes d and D; the status is
    'diverged' if the loss is not finite.
  """
  log = lambda step, **rows: run.log(step, **{k: v[0] for k, v in rows.items()})
  return _train([config], run, log)[0]


def run_batch(configs: Sequence[Config], run: Any) -> list[dict[str, Any]]:
  """Trains points that differ in the `VMAPPABLE` keys, in one program.

  Args:
    configs: One for each row.
    run: A `launch.run.BatchRun`.

  Returns:
    For each row what `run` returns.
  """
  return _train(configs, run, run.log)


def row_bytes(config: Config) -> int:
  """Estimates the memory of one row of `run_batch`, without reading the data.

  Args:
    config: As in `run`.
  """
  try:
    task = _task(config, datasets.blank)
    method = _method([config])
    return subspace_training.Program(task, method, config).row_bytes()
  except ValueError as e:
    raise errors.UsageError(str(e)) from e


def _train(
  configs: Sequence[Config], run: Any, log: Callable[..., None]
) -> list[dict[str, Any]]:
  config, seeds = configs[0], sorted({c.seed for c in configs})
  rows = subspace_training.Rows(
    key=jax.vmap(jax.random.key)(jnp.array([c.seed for c in configs])),
    dim=jnp.array([c.dim for c in configs]),
    learning_rate=jnp.array([c.optimizer.learning_rate for c in configs]),
    order=jnp.array([seeds.index(c.seed) for c in configs]),
  )
  try:  # What is wrong with the config or the data shows here.
    task = _task(config)
    program = subspace_training.Program(task, _method(configs), config)
    start, state = program.start(rows)
  except (OSError, ValueError) as e:
    raise errors.UsageError(str(e)) from e
  step, state = run.checkpoints.restore(state) or (0, state)
  per_epoch = len(task.train.labels) // config.batch_size
  total = config.epochs * per_epoch
  metrics = None
  with run.progress(total, f'{task.name}: {len(configs)} runs') as bar:
    bar.set(step)
    while step < total:
      epoch, first = divmod(step, per_epoch)
      last = min(first + config.execution.log_every, per_epoch)
      batches = np.stack(
        [
          _order(s, epoch, len(task.train.labels), config.batch_size)[
            first:last
          ]
          for s in seeds
        ]
      )
      state, loss = program.train(start, state, rows, step, batches)
      step += last - first
      metrics = program.measure(start, state, rows)
      log(step, train_loss=loss, **metrics)
      bar.advance(last - first, best=_best(metrics))
      stop = run.should_stop() and step < total
      if stop or run.checkpoints.due(config.execution.checkpoint_seconds):
        run.checkpoints.save(step, state)
      if stop:
        raise errors.Preempted(f'Saved at step {step} of {total}.')
  if metrics is None:  # Stopped after the last step, before the results.
    metrics = program.measure(start, state, rows)
  size = program.size(start)
  return [
    _result(c, size, task.digest, {k: float(v[i]) for k, v in metrics.items()})
    for i, c in enumerate(configs)
  ]


def _task(
  config: Config, load: Callable[[str], datasets.Dataset] = datasets.load
) -> tasks.Task:
  """Returns data, model and loss."""
  return tasks.make(
    data=config.data,
    model=config.model,
    shuffled_pixels=config.shuffled_pixels,
    standardize=config.standardize,
    load=load,
  )


def _method(configs: Sequence[Config]) -> base.Reparam:
  """Returns the reparameterization that all rows share."""
  config = configs[0]
  if config.direct:
    return reparam.full()
  method = resolve.from_config(config.method)
  for c in configs:
    if not 0 < c.dim <= c.method.dim:
      raise ValueError(
        f'`dim` must lie in 1..`method.dim` = {c.method.dim}, got {c.dim}.'
      )
    if c.dim != c.method.dim and not method.nested:
      raise ValueError(
        f'{c.method.name} is not nested, so `dim` must be `method.dim` = '
        f'{c.method.dim}, got {c.dim}; sweep the two together.'
      )
  return method


def _order(seed: int, epoch: int, count: int, batch: int) -> np.ndarray:
  """Returns the batches of an epoch, `[count // batch, batch]` of indices.

  A function of (seed, epoch) alone, so that a resumed run reads what an
  unbroken one does. Images that fill no batch are left to other epochs.
  """
  generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
  order = generator.permutation(count).astype(np.int32)
  return order[: count // batch * batch].reshape(-1, batch)


def _best(metrics: dict[str, jax.Array]) -> float:
  """Returns the highest accuracy among the rows that did not diverge."""
  accuracy, loss = (
    np.asarray(metrics[f'test_{name}']) for name in ('accuracy', 'loss')
  )
  return float(accuracy[np.isfinite(loss)].max(initial=0))


def _result(
  config: Config, size: int, digest: str, metrics: dict[str, float]
) -> dict[str, Any]:
  finite = math.isfinite(metrics['test_loss'])
  return {
    'status': 'done' if finite else 'diverged',
    **metrics,
    'd': size if config.direct else config.dim,
    'D': size,
    'data_digest': digest,
  }
