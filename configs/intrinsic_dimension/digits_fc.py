r"""Scikit-learn digits, 8x8 pixels, a 64-64-64-10 network (D = 8,970).

Paper: none has it; the method is that of Li et al, 2018,
  https://arxiv.org/abs/1804.08838.
Run: paramspace reproduce configs/intrinsic_dimension/digits_fc.py
Time: 30 s on 2 cores.
Expect: d_int90 = 159 (144 to 166) at an accuracy of 0.9, 153 (137 to
  161) at 0.9 of direct training.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.intrinsic_dimension'


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
  config.direct = False  # Train all parameters: the baseline.
  config.dim = 100
  config.method = dict(name='reparam.hadamard', dim=400, scale='isometric')
  config.rebase_every = 0  # Steps between new bases, 0 for never.
  config.epochs = {'smoke': 2, 'laptop': 60, 'paper': 60}[scale]
  config.batch_size = 64
  config.l2 = 0.0  # On the kernels of theta.
  config.optimizer = dict(
    name='adam', learning_rate=1e-2, b1=0.9, b2=0.99, momentum=0.0
  )
  config.nonfinite = 'stop'  # Or 'skip' the step, or 'continue'.
  config.execution = dict(
    log_every=440, checkpoint_seconds=60.0, group_size=0, sharding='none'
  )
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the baseline and every dimension, for each seed."""
  dims = {
    'smoke': (10, 100, 400),
    'laptop': (10, 20, 30, 50, 75, 100, 125, 150, 175, 200, 250, 400),
    'paper': (10, 20, 30, 50, 75, 100, 125, 150, 175, 200, 250, 400),
  }[scale]
  for seed in range({'smoke': 2, 'laptop': 5, 'paper': 20}[scale]):
    yield {
      'seed': seed,
      'direct': True,
      'dim': 0,
      'optimizer.learning_rate': 1e-3,
    }
    for dim in dims:
      yield {'seed': seed, 'dim': dim}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale == 'smoke':
    return []
  return [
    claims.Claim(
      quantity='d_int90_absolute',
      paper=None,
      ours=159,
      tolerance=0.15,
      source='measured here',
    )
  ]
