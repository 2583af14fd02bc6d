"""Two networks trained apart, and what lies between them once they are matched.

A point is a pair of networks and one way to match them. The second is moved by
the permutation that was found, and loss and accuracy are measured along the
line from the first to it: as it is; at the temperature that suits each point,
because an average is less sure of what it knows than its parts; and, with
`repair`, after the statistics of the hidden units were reset. The method 'none'
is all of this without a permutation.

References:
  Ainsworth et al, 2023, Git Re-Basin, https://arxiv.org/abs/2209.04836. Jordan
  et al, 2022, REPAIR, https://arxiv.org/abs/2211.08403. For the temperature,
  and for not permuting: Ito et al, 2026, https://arxiv.org/abs/2510.08023.
"""

from typing import Any

import ml_collections

from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import _ways
from experiments.mode_connectivity import training
from paramspace import symmetry
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains two networks, if that is not done, matches and connects them.

  Args:
    config: See `configs/matching/mnist_mlp.py`.
    run: A `launch.run.Run`.

  Returns:
    The points 't' of the line and the 'values' at them, by name; the
    'barriers' of these, by definition and name; the distance of the networks
    before, and after the permutation; sha256s.
  """
  with errors.usage():
    _ways.check(config.method)
    network = _networks.make(config)
    _check(config)
  a, b = training.ensure(run, config, config.models)
  with errors.usage():
    element = _ways.element(config, network, a, b)
  moved = symmetry.act(network.spec, element, b)
  path = _paths.line(config, network, a, moved)
  values = _paths.listed(path)
  return {
    'status': 'done' if _paths.finite(values) else 'diverged',
    't': path.t.tolist(),
    'values': values,
    'barriers': _paths.barriers(path),
    'distance_before': _paths.distance(a, b),
    'distance': _paths.distance(a, moved),
    'data_digest': network.task.digest,
    'digest': manifest.digest(moved),
  }


def _check(config: Config) -> None:
  if len(config.models) != 2:
    raise ValueError(f'`models` are two seeds, got {tuple(config.models)}.')
  _paths.check_steps('steps', config.steps)
