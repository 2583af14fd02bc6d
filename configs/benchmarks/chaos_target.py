r"""Twenty short runs on the digits: what `chaos.py` kills, damages and resumes.

Run: paramspace sweep configs/benchmarks/chaos_target.py --executor local
Time: 1 min on 2 cores.
Expect: 20 points, with the same bits however often they are killed.
"""

from collections.abc import Iterable

import ml_collections

from paramspace.launch import axes


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/intrinsic_dimension.py` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.intrinsic_dimension'
  config.scale = scale
  config.seed = 0
  config.data = 'digits'
  config.shuffled_pixels = False
  config.standardize = False
  config.model = dict(name='fc', depth=2, width=64)
  config.direct = False
  config.dim = 100
  config.method = dict(name='reparam.hadamard', dim=400, scale='isometric')
  config.rebase_every = 0
  config.epochs = {'smoke': 4, 'laptop': 150, 'paper': 150}[scale]
  config.batch_size = 64
  config.l2 = 0.0
  config.nonfinite = 'stop'
  config.optimizer = dict(
    name='adam', learning_rate=1e-2, b1=0.9, b2=0.99, momentum=0.0
  )
  config.execution = dict(
    log_every=10, checkpoint_seconds=0.2, group_size=0, sharding='none'
  )
  return config


def sweep(scale: str = 'laptop') -> Iterable[dict]:
  """Yields dimensions and seeds."""
  seeds = {'smoke': 1, 'laptop': 4, 'paper': 4}[scale]
  dims = (25, 50) if scale == 'smoke' else (25, 50, 100, 200, 400)
  return axes.product(axes.over('seed', range(seeds)), axes.over('dim', dims))
