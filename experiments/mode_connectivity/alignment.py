"""Whether matching turns the singular directions of one network to another's.

A permutation leaves the singular values of a kernel as they are and turns its
singular directions. Ito et al: matching by weights agrees best on the
directions of the largest singular values, and that is why it works. R measures
it, of all directions whose value is at least gamma times the largest.

References:
  Ito et al, 2025, Analysis of Linear Mode Connectivity via Permutation-Based
  Weight Matching, https://arxiv.org/abs/2402.04051, Section 4.
"""

import math
from typing import Any

import ml_collections
import numpy as np

from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import _ways
from experiments.mode_connectivity import training
from paramspace import matching
from paramspace import symmetry
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Matches two networks, and compares their singular directions.

  Args:
    config: See `configs/matching/mnist_mlp_alignment.py`.
    run: A `launch.run.Run`.

  Returns:
    R of all kernels for each of the `gammas`, and by kernel, 'r' and 'leaves';
    the mean share of directions that are compared, 'kept'; by kernel the
    'singular_values' of both networks; the midpoint barrier of the test loss,
    'barrier', and sha256s.
  """
  with errors.usage():
    _ways.check(config.method)
    network = _networks.make(config)
    if len(config.models) != 2:
      raise ValueError(f'`models` are two seeds, got {tuple(config.models)}.')
    _paths.check_steps('steps', config.steps)
  a, b = training.ensure(run, config, config.models)
  with errors.usage():
    element = _ways.element(config, network, a, b)
  b = symmetry.act(network.spec, element, b)
  whole = matching.alignment(a, b)
  found = [_cut(whole, gamma) for gamma in config.gammas]
  path = _paths.line(config, network, a, b)
  barrier = _paths.barriers(path)['midpoint']['test_loss']
  return {
    'status': 'done' if math.isfinite(barrier) else 'diverged',
    'gammas': list(config.gammas),
    'r': [x['r'] for x in found],
    'kept': [x['kept'] for x in found],
    'leaves': {
      name: [x['leaves'][name] for x in found] for name in whole.leaves
    },
    'singular_values': {
      name: [x.values_a.tolist(), x.values_b.tolist()]
      for name, x in whole.leaves.items()
    },
    'barrier': barrier,
    'data_digest': network.task.digest,
    'digest': manifest.digest(b),
  }


def _cut(whole: matching.Alignment, gamma: float) -> dict[str, Any]:
  """Returns R of the directions of large values, as `matching.alignment` does.

  The decompositions are those of `gamma = 0`, so that there is one of each
  kernel and not one for each gamma.
  """
  sums, counts, kept = {}, {}, {}
  for name, leaf in whole.leaves.items():
    m_a, m_b = (
      min(int((s >= gamma * s[0]).sum()), limit)
      for s, limit in zip(
        (leaf.values_a, leaf.values_b), leaf.left.shape, strict=True
      )
    )
    product = leaf.left[:m_a, :m_b] * leaf.right[:m_a, :m_b]
    sums[name] = float(product.sum())
    counts[name] = math.sqrt(m_a * m_b)
    kept[name] = counts[name] / math.sqrt(np.prod(leaf.left.shape))
  return {
    'r': sum(sums.values()) / max(sum(counts.values()), 1.0),
    'kept': float(np.mean(list(kept.values()))),
    'leaves': {name: sums[name] / max(counts[name], 1.0) for name in sums},
  }
