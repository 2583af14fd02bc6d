"""What is measured on the line between two networks."""

import math

import jax
import ml_collections
import numpy as np

from experiments import connections
from experiments import tasks
from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _ways
from paramspace import base
from paramspace import matching
from paramspace import probes

Config = ml_collections.ConfigDict


def splits(
  config: Config, network: _networks.Network
) -> dict[str, tasks.Split]:
  """Returns what the metric of a network takes.

  Args:
    config: Has `examples`, how many to measure on of the training and of the
      test set, the first.
    network: The network.
  """
  first = lambda split, count: tasks.Split(*(x[:count] for x in split))
  return {
    'train': first(network.task.train, config.examples.train),
    'held_out': network.held_out,
    'test': first(network.task.test, config.examples.test),
  }


def line(
  config: Config, network: _networks.Network, a: base.Params, b: base.Params
) -> probes.Path:
  """Measures the line from `a` to `b`, each point repaired if it is asked for.

  Args:
    config: Has `steps`, `repair`, `repair_examples` and `examples`.
    network: Theirs.
    a: The parameters at t = 0.
    b: Those at t = 1, moved near to them.

  Note: Hidden layers are repaired, and logits are left as they are.
  """
  data = splits(config, network)
  if not config.repair:
    return probes.line(network.metric, a, b, steps=config.steps, data=data)
  batches = _ways.batches(network, config.repair_examples)
  repair = matching.repairer(
    network.preactivations, [a, b], batches, network.sites
  )
  return connections.repaired_line(
    network.metric, repair, a, b, steps=config.steps, data=data
  )


def barriers(path: probes.Path) -> dict[str, dict[str, float]]:
  """Returns the barriers of a path by definition, of all but temperatures."""
  values = {k: v for k, v in path.values.items() if k != 'temperature'}
  path = path._replace(values=values)
  return {
    kind: {
      name: float(height)
      for name, height in probes.barrier(
        path, kind, higher_is_better=r'.*accuracy'
      ).items()
    }
    for kind in connections.KINDS
  }


def listed(path: probes.Path) -> dict[str, list[float]]:
  """Returns the values of a path, or of a simplex, for a result."""
  return {name: np.asarray(x).tolist() for name, x in path.values.items()}


def finite(values: dict[str, list[float]]) -> bool:
  """Whether no value is infinite or NaN."""
  return all(math.isfinite(x) for xs in values.values() for x in xs)


def distance(a: base.Params, b: base.Params) -> float:
  """Returns the L2 distance of two models."""
  squares = jax.tree.map(lambda x, y: float(((x - y) ** 2).sum()), a, b)
  return math.sqrt(sum(jax.tree.leaves(squares)))


def check_steps(name: str, steps: int) -> None:
  """Raises unless there is a midpoint between two ends."""
  if steps < 3 or steps % 2 == 0:
    raise ValueError(
      f'`{name}` must be odd, so that there is a midpoint, got {steps}.'
    )
