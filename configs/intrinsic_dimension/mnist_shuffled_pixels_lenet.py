r"""MNIST with shuffled pixels, LeNet (D = 44,426).

Paper: Li et al, 2018, https://arxiv.org/abs/1804.08838, Table 1: 1,400, five
  times as many as without the shuffle, because convolutions do not help.
Run: paramspace reproduce \
  configs/intrinsic_dimension/mnist_shuffled_pixels_lenet.py
Time: half an hour on 2 cores; hours with `--scale paper`.
Expect: 1,580 (1,521 to 1,738) at an accuracy of 0.9, six times the 249 without
  the shuffle; 797 (780 to 817) at 0.9 of direct training, 0.952. Two seeds.
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
  config.data = 'usps' if scale == 'smoke' else 'mnist'
  config.shuffled_pixels = True
  config.standardize = False
  config.model = dict(name='lenet')
  config.direct = False  # Train all parameters: the baseline.
  config.dim = 1400
  config.method = dict(
    name='reparam.hadamard',
    dim={'smoke': 1000, 'laptop': 2000, 'paper': 3000}[scale],
    scale='isometric',
  )
  config.rebase_every = 0  # Steps between new bases, 0 for never.
  config.epochs = {'smoke': 1, 'laptop': 15, 'paper': 100}[scale]
  config.batch_size = 128
  config.l2 = 0.0  # On the kernels of theta.
  config.optimizer = dict(
    name='adam',
    learning_rate={'smoke': 1e-2, 'laptop': 1e-2, 'paper': 1e-3}[scale],
    b1=0.9,
    b2=0.99,
    momentum=0.0,
  )
  config.nonfinite = 'stop'  # Or 'skip' the step, or 'continue'.
  config.execution = dict(
    log_every=468, checkpoint_seconds=60.0, group_size=0, sharding='none'
  )
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the baseline and every dimension, for each seed."""
  dims = {
    'smoke': (100, 1000),
    'laptop': (400, 700, 1000, 1200, 1400, 1600, 2000),
    'paper': (290, 500, 700, 1000, 1200, 1300, 1400, 1500, 1600, 2000, 3000),
  }[scale]
  for seed in range({'smoke': 1, 'laptop': 2, 'paper': 3}[scale]):
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
      paper=1400,
      ours=1580,
      tolerance=0.15,
      source='Li et al, 2018, Table 1',
    )
  ]
