"""Training one network on a part of the data, for other studies to merge.

As `training`, but it keeps what the network began with too.
"""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments import tasks
from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _shares
from experiments.mode_connectivity import training
from paramspace import base
from paramspace.launch import errors
from paramspace.launch import prerequisites

Config = ml_collections.ConfigDict

INITIAL = 'initial'  # The tree that is kept beside that of `training`.


class Trained(NamedTuple):
  """A network, and what it began with.

  Attributes:
    params: Its parameters.
    initial: Those before the first step.
  """

  params: base.Params
  initial: base.Params


def point(config: Config, part: int, begin: int) -> Config:
  """Returns the config of one training.

  Args:
    config: As in `configs/matching/mnist_mlp_merging.py`.
    part: Which part of the data.
    begin: The seed of the initialization.
  """
  return Config(
    dict(
      study=__name__,
      scale=config.scale,
      seed=config.seed,
      begin=begin,
      data=config.data,
      model=config.model.to_dict(),
      held_out=config.held_out,
      part=part,
      parts=config.parts,
      own=config.own,
      training_examples=config.training_examples,
      **config.training.to_dict(),
      execution=config.execution.to_dict(),
    )
  )


def ensure(run: Any, configs: Sequence[Config]) -> list[Trained]:
  """Trains networks, or finds them where that was done before.

  Args:
    run: A `launch.run.Run`.
    configs: From `point`.
  """
  arrays = lambda tree: jax.tree.map(jnp.asarray, tree)
  return [
    Trained(arrays(one.load(training.PARAMS)), arrays(one.load(INITIAL)))
    for one in prerequisites.ensure(run, configs)
  ]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one network with Adam, and keeps it.

  Args:
    config: From `point`.
    run: A `launch.run.Run`.

  Returns:
    Loss and accuracy on the test set, of all classes; the number of parameters,
    D; sha256s.
  """
  with errors.usage():
    network = _networks.make(config)
    task = network.task
    at = _shares.parts(
      np.asarray(task.train.labels),
      config.parts,
      config.own,
      config.training_examples,
    )[config.part]
  split = tasks.Split(*(x[at] for x in task.train))
  initial = jax.jit(task.init)(jax.random.key(config.begin))
  order = config.seed * config.parts + config.part
  what = f'{task.name}, part {config.part}, seed {config.seed}'
  found = training.train(config, run, network, split, initial, order, what)
  run.save(INITIAL, initial)
  return found
