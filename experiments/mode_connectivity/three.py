"""Three networks, two of them matched to the third: are the two matched too?

Networks b and c are moved near to a, and never compared with each other. If a
permutation gives the units of a network their place by what they do, the two
are near each other as well, and the line between them is low. If it only finds
a low line to a, it need not be.

References:
  Ito et al, 2025, Analysis of Linear Mode Connectivity via Permutation-Based
  Weight Matching, https://arxiv.org/abs/2402.04051, Sections 4 and 5.
"""

from typing import Any

import ml_collections
import numpy as np

from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import _ways
from experiments.mode_connectivity import training
from paramspace import matching
from paramspace import probes
from paramspace import symmetry
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Matches two networks to a third, and measures between all three.

  Args:
    config: See `configs/matching/mnist_mlp_three.py`.
    run: A `launch.run.Run`.

  Returns:
    Of the line from b to c, what `mode_connectivity.run` returns; the measure R
    of each of the `pairs`, by gamma; the 'weights' and 'simplex' of points
    between a, b and c, of those that are not repaired; and the barriers at the
    midpoints of its edges, 'edges', by pair and name.
  """
  with errors.usage():
    _ways.check(config.method)
    network = _networks.make(config)
    _check(config)
  a, *others = training.ensure(run, config, config.models)
  with errors.usage():
    found = [_ways.element(config, network, a, x) for x in others]
  b, c = (
    symmetry.act(network.spec, element, x)
    for element, x in zip(found, others, strict=True)
  )
  path = _paths.line(config, network, b, c)
  values = _paths.listed(path)
  finite = _paths.finite(values)
  pairs = {'ab': (a, b), 'ac': (a, c), 'bc': (b, c)}
  return {
    'status': 'done' if finite else 'diverged',
    't': path.t.tolist(),
    'values': values,
    'barriers': _paths.barriers(path),
    'r': {
      f'{gamma:g}': {
        name: matching.alignment(*pair, gamma=gamma).r
        for name, pair in pairs.items()
      }
      for gamma in config.gammas
    },
    **({} if config.repair else _simplex(config, network, [a, b, c])),
    'distance': {k: _paths.distance(*pair) for k, pair in pairs.items()},
    'data_digest': network.task.digest,
    'digest': manifest.digest([b, c]),
  }


def _simplex(config, network, models) -> dict[str, Any]:
  """Returns what lies between three models, and the barriers of its edges."""
  data = _paths.splits(config, network)
  found = probes.simplex(
    network.metric, models, steps=config.simplex_steps, data=data
  )
  weights = np.asarray(found.weights)

  def barriers(start, end):
    (other,) = {0, 1, 2} - {start, end}
    edge = np.flatnonzero(weights[:, other] == 0)
    edge = edge[weights[edge, end].argsort()]
    on_edge = {name: x[edge] for name, x in found.values.items()}
    path = probes.Path(weights[edge, end], on_edge)
    return _paths.barriers(path)['midpoint']

  return {
    'weights': weights.tolist(),
    'simplex': _paths.listed(found),
    'edges': {
      'ab': barriers(0, 1),
      'ac': barriers(0, 2),
      'bc': barriers(1, 2),
    },
  }


def _check(config: Config) -> None:
  if len(config.models) != 3:
    raise ValueError(f'`models` are three seeds, got {tuple(config.models)}.')
  _paths.check_steps('steps', config.steps)
  _paths.check_steps('simplex_steps', config.simplex_steps)
