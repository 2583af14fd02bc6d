"""Continual training of a language model on a second text, with merging.

A point of the study is one seed: a model is trained on a first text, and from
there, once for each method and learning rate, on a second one, all times on as
many windows. What is lost on the first text is forgetting, what is won on the
second one learning.

References:
  Alexandrov et al, 2024, Mitigating Catastrophic Forgetting in Language
  Transfer via Model Merging, https://arxiv.org/abs/2407.08699.
"""

import itertools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.tasks import language
from experiments.training import continual as continual_training
from experiments.training import language as language_training
from experiments.training import loop
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

FIELDS = ('first_loss', 'second_loss', 'distance')


class State(NamedTuple):
  """What a checkpoint holds: all that the rest of the study depends on.

  Attributes:
    fit: The model of the first text.
    found: The `FIELDS` of each arm, float32 `[arms, 3]`; zero where there is
      nothing yet.
  """

  fit: language_training.Fit
  found: jax.Array


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Trains one seed on the first text, and with every method on the second.

  Args:
    config: See `configs/averaging/branch_and_merge_text.py`.
    run: A `launch.run.Run`.

  Returns:
    In 'before' and, for each method and learning rate, in 'arms': the test
    losses on both texts, in nats per byte, and the distance of the parameters
    from where the second training began. The status is 'diverged' if one of
    these numbers is not finite.
  """
  with errors.usage():
    first, second = (
      language.make(data=part.data, model=config.model)
      for part in (config.first, config.second)
    )
    program = continual_training.Program(first, second, config)
  arms = list(
    itertools.product(
      continual_training.methods(config.branches), config.second.learning_rates
    )
  )
  steps = config.first.steps

  def advance(state, begin, end):
    if end <= steps:
      fit, loss = program.train_first(state.fit, begin, end)
      return state._replace(fit=fit), {'train_loss': loss}
    arm, origin = begin - steps, state.fit.params
    found = program.measure(origin, program.train_second(origin, *arms[arm]))
    row = dict(zip(FIELDS, found, strict=True))
    return state._replace(found=state.found.at[arm].set(found)), row

  state = loop.train(
    run,
    State(program.start(), jnp.zeros((len(arms), len(FIELDS)))),
    # An arm counts as one step more.
    [
      *loop.stops(steps, config.first.log_every),
      *range(steps + 1, steps + 1 + len(arms)),
    ],
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{first.name}, then {second.name}',
  )
  before = program.measure(state.fit.params, state.fit.params)
  found = np.asarray(state.found)
  return {
    'status': 'done' if np.isfinite(found).all() else 'diverged',
    'before': _row(before),
    'arms': [
      {'method': method, 'learning_rate': rate, **_row(row)}
      for (method, rate), row in zip(arms, found, strict=True)
    ],
    'D': trees.size(state.fit.params),
    'data_digest': f'{first.digest} {second.digest}',
    'digest': manifest.digest(state),
  }


def _row(found: np.ndarray) -> dict[str, float]:
  return dict(zip(FIELDS, found.tolist(), strict=True))
