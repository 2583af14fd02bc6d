"""The intrinsic dimension of a problem: train in subspaces of many sizes.

A point of the study is one training run, with one `seed`, in the first `dim`
coordinates of a map of `method.dim`, or with `direct` of all parameters. The
points of a sweep are the rows of one program.

References:
  Li et al, 2018, Measuring the Intrinsic Dimension of Objective Landscapes,
  https://arxiv.org/abs/1804.08838.
"""

import functools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import data as datasets
from experiments import tasks
from experiments.training import loop
from experiments.training import subspace as subspace_training
from paramspace import base
from paramspace import reparam
from paramspace import resolve
from paramspace import sharding
from paramspace.files import manifest
from paramspace.launch import errors

VMAPPABLE = ('dim', 'optimizer.learning_rate', 'seed')

# How one point uses many devices: not; each takes a part of every batch; and it
# keeps a part of the parameters, the coordinates and the optimizer's state too.
SHARDINGS = ('none', 'data', 'fsdp')

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one point, on one device or, by `execution.sharding`, on all.

  Args:
    config: See `configs/intrinsic_dimension/`.
    run: A `launch.run.Run`.

  Returns:
    The accuracy and losses at the end, the sizes d and D, the sha256 of what
    was trained; the status is 'diverged' if the loss is not finite.
  """
  mesh = _mesh(config)
  with errors.usage():
    task, method = _task(config), _method([config])
    row = jax.tree.map(lambda x: x[0], _rows([config]))
    layout, put = None, np.asarray
    if mesh:
      task, layout = _on(mesh, task), functools.partial(_layout, config, mesh)
      row = sharding.place(row, sharding.replicate(row, mesh))
      put = functools.partial(_split, mesh)
    program = subspace_training.Program(task, method, config, layout=layout)
    start, state = program.start(row)
  at = _Training(task, program, row, put)
  return _train([config], run, at, start, state)[0]


def run_batch(configs: Sequence[Config], run: Any) -> list[dict[str, Any]]:
  """Trains points that differ in the `VMAPPABLE` keys, in one program.

  Args:
    configs: One for each row.
    run: A `launch.run.BatchRun`.

  Returns:
    For each row what `run` returns.
  """
  config = configs[0]
  if config.execution.sharding != 'none' or jax.process_count() > 1:
    raise errors.UsageError(
      f'`config.execution.sharding` is {config.execution.sharding!r} and there '
      f'are {jax.process_count()} processes; a batch of points takes none and '
      '1. Run one point at a time, for example with --executor inline.'
    )
  with errors.usage():
    task, rows = _task(config), run.place(_rows(configs))
    if isinstance(rows.dim.sharding, jax.NamedSharding):
      task = _on(rows.dim.sharding.mesh, task)
    program = subspace_training.Program(
      task, _method(configs), config, each=run.each
    )
    start, state = run.place(program.start(rows))
  at = _Training(task, program, rows, np.asarray)
  return _train(configs, run, at, start, state)


def row_bytes(config: Config) -> int:
  """Estimates the memory of one row of `run_batch`, without reading the data.

  Args:
    config: As in `run`.
  """
  with errors.usage():
    task = _task(config, datasets.blank)
    method = _method([config])
    return subspace_training.Program(task, method, config).row_bytes()


class _Training(NamedTuple):
  """What stays the same in training.

  Attributes:
    task: Data, model and loss.
    program: The compiled functions.
    row: The row, or all of them.
    put: Puts the indices of batches, `[orders, steps, batch]`, on the devices.
  """

  task: tasks.Task
  program: subspace_training.Program
  row: subspace_training.Row
  put: Callable[[np.ndarray], Any]


class _Saved(NamedTuple):
  """What a checkpoint holds: all that the rest of the training depends on.

  Attributes:
    key: The rows' keys.
    start: The origins and the frozen parts. They could be drawn again, but not
      by a JAX that draws other numbers.
    state: What changes.
  """

  key: jax.Array
  start: subspace_training.Start
  state: subspace_training.State


def _train(
  configs: Sequence[Config],
  run: Any,
  at: _Training,
  start: subspace_training.Start,
  state: subspace_training.State,
) -> list[dict[str, Any]]:
  config, program = configs[0], at.program
  per_epoch = len(at.task.train.labels) // config.batch_size

  def advance(saved, first, last):
    epoch, row = divmod(first, per_epoch)
    batches = _batches(configs, at.task, epoch)[:, row : row + last - first]
    state, loss = program.train(
      saved.start, saved.state, at.row, first, at.put(batches)
    )
    metrics = program.measure(saved.start, state, at.row)
    return saved._replace(state=state), {'train_loss': loss, **metrics}

  saved = loop.train(
    run,
    _Saved(at.row.key, start, state),
    loop.epochs(config.epochs, per_epoch, config.execution.log_every),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{at.task.name}: {len(configs)} runs',
    show=lambda metrics: {'best': _best(metrics)},
  )
  state = saved.state
  metrics = program.measure(saved.start, state, at.row)
  columns = {k: np.atleast_1d(np.asarray(v)) for k, v in metrics.items()}
  trained = {'z': state.z, 'moved': state.moved}
  if np.ndim(metrics['test_loss']):
    row = lambda i: jax.tree.map(lambda x: x[i], trained)
  else:
    row = lambda i: trained
  return [
    _result(c, at, {k: float(v[i]) for k, v in columns.items()}, row(i))
    for i, c in enumerate(configs)
  ]


def _mesh(config: Config) -> jax.sharding.Mesh | None:
  """Returns the devices that one point is spread over, if it is.

  Raises:
    errors.UsageError: If the config and the number of processes or devices do
      not fit together.
  """
  name, processes = config.execution.sharding, jax.process_count()
  if name not in SHARDINGS:
    raise errors.UsageError(
      f'`config.execution.sharding` is one of {SHARDINGS}, got {name!r}.'
    )
  if name == 'none' and processes > 1:
    raise errors.UsageError(
      "`config.execution.sharding` is 'none', which is for one process, and "
      f"there are {processes}; set it to 'data' or 'fsdp'."
    )
  if name == 'none':
    return None
  mesh = sharding.mesh()
  if config.batch_size % mesh.size:
    raise errors.UsageError(
      f'`config.batch_size` is {config.batch_size}, which {mesh.size} devices '
      f'cannot share; make it a multiple of {mesh.size}.'
    )
  return mesh


def _layout(config: Config, mesh: jax.sharding.Mesh, shapes: Any) -> Any:
  """Returns where the leaves of one point live that is spread over devices."""
  if config.execution.sharding == 'fsdp':
    return sharding.fsdp(shapes, mesh)
  return sharding.replicate(shapes, mesh)


def _on(mesh: jax.sharding.Mesh, task: tasks.Task) -> tasks.Task:
  """Returns the task with its data on every device of the mesh."""
  copy = lambda x: sharding.place(x, sharding.replicate(x, mesh))
  return task._replace(train=copy(task.train), test=copy(task.test))


def _split(mesh: jax.sharding.Mesh, batches: np.ndarray) -> jax.Array:
  """Puts the indices of batches, `[orders, steps, batch]`, on their devices."""
  return sharding.batch(
    mesh, batches.shape, lambda part: batches[..., part], dimension=2
  )


def _rows(configs: Sequence[Config]) -> subspace_training.Row:
  """Returns what distinguishes the configs, `[n]` in every leaf."""
  seeds = _seeds(configs)
  return subspace_training.Row(
    key=jax.vmap(jax.random.key)(jnp.array([c.seed for c in configs])),
    dim=jnp.array([c.dim for c in configs]),
    learning_rate=jnp.array([c.optimizer.learning_rate for c in configs]),
    order=jnp.array([seeds.index(c.seed) for c in configs]),
  )


def _seeds(configs: Sequence[Config]) -> list[int]:
  """Returns the seeds, each of which has its own order of the batches."""
  return sorted({c.seed for c in configs})


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


def _batches(
  configs: Sequence[Config], task: tasks.Task, epoch: int
) -> np.ndarray:
  """Returns an epoch of batches for every seed, `[orders, steps, batch]`."""
  count, size = len(task.train.labels), configs[0].batch_size
  return np.stack([loop.order(s, epoch, count, size) for s in _seeds(configs)])


def _best(metrics: dict[str, jax.Array]) -> float:
  """Returns the highest accuracy among the rows that did not diverge."""
  accuracy, loss = (
    np.asarray(metrics[f'test_{name}']) for name in ('accuracy', 'loss')
  )
  return float(accuracy[np.isfinite(loss)].max(initial=0))


def _result(
  config: Config, at: _Training, metrics: dict[str, float], trained: Any
) -> dict[str, Any]:
  finite, size = math.isfinite(metrics['test_loss']), at.program.size()
  return {
    'status': 'done' if finite else 'diverged',
    **metrics,
    'd': size if config.direct else config.dim,
    'D': size,
    'data_digest': at.task.digest,
    'digest': manifest.digest(trained),
  }
