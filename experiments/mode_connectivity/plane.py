"""The plane through two networks and the second one with its units permuted.

Nothing but the order of its units distinguishes the third network from the
second: both are minima of the same depth. From the first, a barrier lies on the
way to one and none on the way to the other.

References:
  Ainsworth et al, 2023, Git Re-Basin, https://arxiv.org/abs/2209.04836, Figure
  1. Garipov et al, 2018, https://arxiv.org/abs/1802.10026, for such planes.
"""

from typing import Any

import ml_collections
import numpy as np

from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import _ways
from experiments.mode_connectivity import training
from paramspace import probes
from paramspace import symmetry
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Matches two networks, and measures the plane of them and what was matched.

  Args:
    config: See `configs/matching/mnist_mlp_plane.py`.
    run: A `launch.run.Run`.

  Returns:
    The axes 'x' and 'y', in L2 distances; 'loss' and 'accuracy' on the test
    set, a list of rows; where a, b and the permuted b lie, 'models'; the
    barriers on the lines between them by the chord, 'ab', 'ac' and 'bc', where
    c is the permuted b; sha256s.
  """
  with errors.usage():
    _ways.check(config.method)
    network = _networks.make(config)
    _check(config)
  a, b = training.ensure(run, config, config.models)
  with errors.usage():
    element = _ways.element(config, network, a, b)
  c = symmetry.act(network.spec, element, b)
  split = _paths.splits(config, network)['test']
  metric = lambda params, data: network.evaluate(params, data)._asdict()
  found = probes.plane(
    metric, a, b, c, steps=config.steps, margin=config.margin, data=split
  )
  rows = {name: np.asarray(x).tolist() for name, x in found.values.items()}
  finite = all(np.isfinite(x).all() for x in found.values.values())
  pairs = {'ab': (a, b), 'ac': (a, c), 'bc': (b, c)}
  return {
    'status': 'done' if finite else 'diverged',
    'x': np.asarray(found.x).tolist(),
    'y': np.asarray(found.y).tolist(),
    **rows,
    'models': np.asarray(found.models).tolist(),
    'barriers': {
      name: _barriers(config, metric, pair, split)
      for name, pair in pairs.items()
    },
    'data_digest': network.task.digest,
    'digest': manifest.digest(c),
  }


def _barriers(config, metric, pair, split) -> dict[str, float]:
  """Returns the height of the line between two networks above its chord."""
  path = probes.line(metric, *pair, steps=config.line_steps, data=split)
  heights = probes.barrier(path, 'chord', higher_is_better='accuracy')
  return {name: float(x) for name, x in heights.items()}


def _check(config: Config) -> None:
  if len(config.models) != 2:
    raise ValueError(f'`models` are two seeds, got {tuple(config.models)}.')
  if config.method == 'none':
    raise ValueError(
      "`method` is 'none', which leaves b where it is: a plane needs three "
      "models; take another, such as 'weight_matching'."
    )
