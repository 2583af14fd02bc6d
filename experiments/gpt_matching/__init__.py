"""Language models, brought near to each other by symmetries of a transformer.

A point is a pair of models that were trained apart. The second is moved to the
first in several ways, none of which changes its function, and the straight line
between the two is measured:

  none            as they were trained
  permuted_still  weight matching of heads, of what is within them, and of FFNs
  permuted        of the residual stream as well
  folded          as they were trained, scales and biases of norms folded
  rotated         folded, the stream rotated and the rest permuted
  rotated_heads   folded, rotated within heads too

Of three of these the line is measured again with statistics reset, as
`WAY_repaired`: at each point the channels of the layers within the blocks are
given the mean of the means of the two models, and of their standard deviations.
A network without batch normalisation has no other statistics. Embeddings, norms
and the head stay as they are: of the stream, what the embeddings bring to it is
not repaired.

References:
  Jordan et al, 2022, REPAIR, https://arxiv.org/abs/2211.08403.
  Theus et al, 2025, Generalized Linear Mode Connectivity for Transformers,
  https://arxiv.org/abs/2506.22712, Table 2.
"""

from typing import Any

import jax
import ml_collections
import numpy as np

from experiments import connections
from experiments.gpt_matching import _bench
from experiments.gpt_matching import _ways
from experiments.gpt_matching import training
from paramspace import base
from paramspace import matching
from paramspace import probes
from paramspace import trees
from paramspace.launch import errors


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Trains two models, moves one to the other, and measures the lines.

  Args:
    config: See `configs/matching/tinyshakespeare_gpt.py`.
    run: A `launch.run.Run`.

  Returns:
    By way, what `connections.measured` says of the line; the `distances`
    between the ends; the number of parameters, D.
  """
  with errors.usage():
    bench = _bench.make(config)
  seeds = config.seed, (config.seed + 1) % config.models
  a, b = training.ensure(run, config, seeds)
  key, paths, distances = jax.random.key(config.seed), {}, {}
  for name, way in _ways.WAYS.items():
    form, first, second = way(key, bench, a, b)
    path = probes.line(
      form.metric, first, second, steps=config.points, data=bench.splits
    )
    paths[name] = connections.measured(path)
    distances[name] = _distance(first, second)
    if name in _ways.REPAIRED:
      path = _repaired(config, bench, form, first, second)
      paths[f'{name}_repaired'] = connections.measured(path)
  done = all(map(connections.finite, paths.values()))
  return {
    'status': 'done' if done else 'diverged',
    'paths': paths,
    'distances': distances,
    'D': trees.size(a),
    'data_digest': bench.task.digest,
  }


def _repaired(config, bench, form, a, b) -> probes.Path:
  repair = matching.repairer(
    form.preactivations, [a, b], [bench.windows], form.sites
  )
  return connections.repaired_line(
    form.metric, repair, a, b, steps=config.points, data=bench.splits
  )


def _distance(a: base.Params, b: base.Params) -> float:
  """Returns how far two models are apart, over the norm of the first."""
  norm = lambda tree: np.sqrt(
    sum(float((np.asarray(x) ** 2).sum()) for x in jax.tree.leaves(tree))
  )
  return float(norm(jax.tree.map(lambda x, y: x - y, a, b)) / norm(a))
