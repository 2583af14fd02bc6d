r"""MNIST, twenty networks of depth 1 to 5 and width 50 to 400.

Paper: Li et al, 2018, https://arxiv.org/abs/1804.08838, Figure 3: D varies
  24.1-fold, d_int90 only 1.33-fold.
Run: paramspace reproduce configs/intrinsic_dimension/mnist_fc_nets.py
Time: an hour on 2 cores; a day with `--scale paper`.
Expect: 1.43 at an accuracy of 0.9, from 722 to 1,032, and 1.51 at 0.9 of direct
  training; one seed, 8 epochs, ten times the paper's learning rate.
"""

import itertools
from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.networks'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/intrinsic_dimension.py` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.intrinsic_dimension'
  config.scale = scale
  config.seed = 0
  config.data = 'digits' if scale == 'smoke' else 'mnist'
  config.shuffled_pixels = False
  config.standardize = False
  config.model = dict(name='fc', depth=2, width=200)
  config.direct = False  # Train all parameters: the baseline.
  config.dim = 750
  config.method = dict(
    name='reparam.hadamard',
    dim={'smoke': 1000, 'laptop': 1000, 'paper': 1250}[scale],
    scale='isometric',
  )
  config.rebase_every = 0  # Steps between new bases, 0 for never.
  config.epochs = {'smoke': 1, 'laptop': 8, 'paper': 100}[scale]
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
  """Yields the baseline and every dimension, for each network."""
  dims = {
    'smoke': (100, 1000),
    'laptop': (400, 500, 600, 700, 800, 1000),
    'paper': (*range(400, 1001, 50), 1250),
  }[scale]
  depths = {'smoke': (1, 2), 'laptop': range(1, 6), 'paper': range(1, 6)}[scale]
  widths = {
    'smoke': (50,),
    'laptop': (50, 100, 200, 400),
    'paper': (50, 100, 200, 400),
  }[scale]
  for depth, width in itertools.product(depths, widths):
    for seed in range({'smoke': 1, 'laptop': 1, 'paper': 3}[scale]):
      network = {'model.depth': depth, 'model.width': width, 'seed': seed}
      yield network | {
        'direct': True,
        'dim': 0,
        'optimizer.learning_rate': 1e-3,
      }
      for dim in dims:
        yield network | {'dim': dim}
      if scale == 'laptop' and depth == 5:  # In a larger basis.
        yield network | {'dim': 1250, 'method.dim': 1250}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale == 'smoke':
    return []
  return [
    claims.Claim(
      quantity='d_int90_absolute_ratio',
      paper=1.333,
      ours=1.43,
      tolerance=0.25,
      source='Li et al, 2018, Figure 3',
    )
  ]
