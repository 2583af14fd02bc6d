"""Interference: image tasks merged into one encoder, from two of them to all.

A point is one seed. An encoder, and a linear head for each task, are pretrained
for a little on a few images of all tasks. From there the encoder is tuned on
each task apart, below a head that stays as it is. Tuned encoders are merged,
those of all pairs of tasks and of larger subsets, and measured on each of their
tasks below its head. Heads are not merged.

References:
  Yadav et al, 2023, TIES-Merging: Resolving Interference When Merging Models,
  https://arxiv.org/abs/2306.01708.
"""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.digits_tasks import _conflict
from experiments.digits_tasks import _merges
from experiments.digits_tasks import _subsets
from experiments.tasks import variants
from experiments.training import digits as digits_training
from experiments.training import loop
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors


class State(NamedTuple):
  """What a checkpoint holds: all that the rest of the study depends on.

  Attributes:
    model: The encoder and the heads that all begin with.
    tuned: The encoders of the tasks.
    found: What `Merges.measure` returns of each subset, float32 `[subsets,
      methods, 3]`; zero where there is nothing yet.
  """

  model: digits_training.Fit
  tuned: digits_training.Fit
  found: jax.Array


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Trains the encoders of one seed, and merges them.

  Args:
    config: See `configs/merging/digits_tasks.py`.
    run: A `launch.run.Run`, which keeps the encoders.

  Returns:
    By task, the test accuracies of what all begin with, 'pretrained', and of
    what is tuned on the task, 'single'. For each of the 'subsets' its sign
    conflict, among the entries that are 'shared' and among those that are
    'kept', and by method the `_merges.FIELDS`.
  """
  with errors.usage():
    study = _Study(config, run)
  state = study.train()
  merges, found = study.merges(state), np.asarray(state.found)
  signs = _conflict.signs(
    state.model.params.encoder, state.tuned.params, config.conflict_density
  )
  conflicts = [_conflict.measure(signs, tasks) for tasks in study.subsets]
  names = np.array(config.tasks)
  by_task = lambda values: dict(zip(config.tasks, values.tolist(), strict=True))
  return {
    'status': 'done' if np.isfinite(found).all() else 'diverged',
    'pretrained': by_task(merges.pretrained),
    'single': by_task(merges.single),
    'subsets': [names[list(tasks)].tolist() for tasks in study.subsets],
    'conflict_of_shared': [c.shared for c in conflicts],
    'conflict_of_kept': [c.kept for c in conflicts],
    'merges': {
      method: dict(zip(_merges.FIELDS, found[:, i].T.tolist(), strict=True))
      for i, method in enumerate(study.methods)
    },
    'D': trees.size(state.model.params.encoder),
    'data_digest': study.data.digest,
    'digest': manifest.digest(state),
  }


class _Study:
  """One seed.

  Attributes:
    data: The tasks.
    subsets: Those whose encoders are merged.
    methods: The names of the recipes.
  """

  def __init__(self, config: ml_collections.ConfigDict, run: Any):
    self.data = variants.read(config.tasks, side=config.side, **config.splits)
    self.subsets = _subsets.balanced(len(config.tasks), config.sizes)
    self._config, self._run = config, run
    self._program = digits_training.Program(self.data, config)
    self._merges = None
    self.methods = sorted(_merges.recipes(config.recipes))
    self._fork = config.pretrain.steps
    self._steps = self._fork + config.finetune.steps

  def train(self) -> State:
    """Trains and merges what an earlier start has not."""
    config, subsets = self._config, len(self.subsets)
    model = self._program.start()
    tuned = self._program.fork(model.params.encoder)
    found = jnp.zeros((subsets, len(self.methods), len(_merges.FIELDS)))
    return loop.train(
      self._run,
      State(model, tuned, found),
      # A subset counts as one step more.
      [
        *loop.stops(self._steps, config.execution.log_every, [self._fork]),
        *range(self._steps + 1, self._steps + 1 + subsets),
      ],
      self._advance,
      checkpoint_seconds=config.execution.checkpoint_seconds,
      description=f'{len(config.tasks)} tasks, seed {config.seed}',
      show=lambda scalars: {k: float(v) for k, v in scalars.items()},
    )

  def merges(self, state: State) -> _merges.Merges:
    """Returns the merges of the tuned encoders, which are trained."""
    if self._merges is None:
      self._merges = _merges.Merges(
        self._program,
        self.data,
        self._config,
        state.model.params,
        state.tuned.params,
      )
    return self._merges

  def _advance(self, state: State, first: int, last: int) -> tuple:
    if last <= self._fork:
      model, loss = self._program.pretrain(state.model, first, last)
      tuned = state.tuned
      if last == self._fork:
        tuned = self._program.fork(model.params.encoder)
      return State(model, tuned, state.found), {'train_loss': loss}
    if last <= self._steps:
      tuned, losses = self._program.finetune(
        state.tuned,
        state.model.params.heads,
        first - self._fork,
        last - self._fork,
      )
      if last == self._steps:
        self._run.save('encoders', [state.model.params, tuned.params])
      return state._replace(tuned=tuned), {'train_loss': losses.mean()}
    at = first - self._steps
    row = self.merges(state).measure(self.subsets[at])
    found = state.found.at[at].set(row)
    return state._replace(found=found), {'normalized': row[:, 0].mean()}
