r"""MNIST with shuffled pixels, 784-200-200-10 (D = 199,210).

Paper: Li et al, 2018, https://arxiv.org/abs/1804.08838, Table 1: 750, as
  without the shuffle, to which a fully connected network is blind.
Run: paramspace reproduce \
  configs/intrinsic_dimension/mnist_shuffled_pixels_fc.py
Time: 10 min on 2 cores; hours with `--scale paper`.
Expect: 654 (643 to 674) at an accuracy of 0.9, and 671 without the shuffle;
  527 (511 to 540) at 0.9 of direct training. Two seeds.
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
  config.data = 'digits' if scale == 'smoke' else 'mnist'
  config.shuffled_pixels = True
  config.standardize = False
  config.model = dict(name='fc', depth=2, width=200)
  config.direct = False  # Train all parameters: the baseline.
  config.dim = 750
  config.method = dict(
    name='reparam.hadamard',
    dim={'smoke': 1000, 'laptop': 1000, 'paper': 1500}[scale],
    scale='isometric',
  )
  config.rebase_every = 0  # Steps between new bases, 0 for never.
  config.epochs = {'smoke': 1, 'laptop': 20, 'paper': 100}[scale]
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
    'smoke': (50, 500),
    'laptop': (200, 400, 500, 600, 700, 750, 800, 1000),
    'paper': (
      10,
      50,
      100,
      200,
      300,
      400,
      500,
      550,
      600,
      650,
      700,
      725,
      750,
      775,
      800,
      825,
      850,
      900,
      1000,
      1250,
      1500,
    ),
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
      paper=750,
      ours=654,
      tolerance=0.15,
      source='Li et al, 2018, Table 1',
    )
  ]
