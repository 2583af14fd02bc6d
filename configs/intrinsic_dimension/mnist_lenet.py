r"""MNIST, LeNet (D = 44,426).

Paper: Li et al, 2018, https://arxiv.org/abs/1804.08838, Table 1: d_int90 = 290
  at an accuracy of 0.9.
Run: paramspace reproduce configs/intrinsic_dimension/mnist_lenet.py
Time: 20 min on 2 cores; hours with `--scale paper`, which takes the paper's
  learning rate, epochs and dimensions.
Expect: d_int90 = 249 (240 to 265) at an accuracy of 0.9, 231 (224 to
  238) at 0.9 of direct training. Below the paper's 290, because the learning
  rate is ten times the paper's: at d = 290, after 8 epochs, 1e-3 gives 0.848,
  3e-3 0.890 and 1e-2 0.904.
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
  config.shuffled_pixels = False
  config.standardize = False
  config.model = dict(name='lenet')
  config.direct = False  # Train all parameters: the baseline.
  config.dim = 290
  config.method = dict(
    name='reparam.hadamard',
    dim={'smoke': 400, 'laptop': 400, 'paper': 1000}[scale],
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
    'smoke': (50, 250),
    'laptop': (50, 100, 150, 200, 250, 275, 290, 325, 400),
    'paper': (50, 100, 150, 200, 225, 250, 275, 290, 325, 350, 400, 500, 1000),
  }[scale]
  for seed in range({'smoke': 1, 'laptop': 3, 'paper': 3}[scale]):
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
      paper=290,
      ours=249,
      tolerance=0.15,
      source='Li et al, 2018, Table 1',
    )
  ]
