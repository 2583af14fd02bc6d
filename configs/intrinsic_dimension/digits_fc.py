"""Digits (8x8), a 64-64-64-10 network."""

from collections.abc import Iterator

import ml_collections

FIGURE = 'experiments.figures.intrinsic_dimension'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.study = 'experiments.intrinsic_dimension'
  config.scale = scale
  config.seed = 0
  config.data = 'digits'
  config.train_size = 1437
  config.shuffled_pixels = False
  config.standardize = False
  config.model = dict(name='fc', depth=2, width=64)
  config.direct = False
  config.dim = 100
  config.method = dict(name='reparam.hadamard', dim=400, scale='isometric')
  config.rebase_every = 0
  config.epochs = 60
  config.batch_size = 64
  config.l2 = 0.0
  config.optimizer = dict(
    name='adam', learning_rate=1e-2, b1=0.9, b2=0.99, momentum=0.0
  )
  config.execution = dict(log_every=1000, checkpoint_seconds=30.0, group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  for seed in range(3):
    yield {
      'seed': seed,
      'direct': True,
      'dim': 0,
      'optimizer.learning_rate': 1e-3,
    }
    for dim in (5, 10, 20, 30, 50, 75, 100, 150, 200, 400):
      yield {'seed': seed, 'dim': dim}
