r"""Fashion-MNIST, a small vision transformer, experts that become one network.

Paper: Huang et al, 2023, https://arxiv.org/abs/2308.06093.
Run: paramspace reproduce configs/averaging/experts_averaging_fashion_vit.py
Time: 13 min on 2 cores, that had other work too.
Expect: on 10,000 test images nothing is gained: 0.7765 for plain training, with
  experts and a share rate of 0.1 0.2 points less (95%: 0.8 less to 0.3 more),
  over 5 seeds. Without a share rate the collapse takes 6.4 points away (5.7 to
  7.3). The loss falls, by 0.04 at a share rate of 0.01.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.experts_averaging'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/experts_averaging.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.experts_averaging'
  config.scale = scale
  config.seed = 0
  config.data = 'fashion_mnist'
  config.train_examples = {'smoke': 200, 'laptop': 2_000, 'paper': 60_000}[
    scale
  ]
  config.model = dict(
    name='vit',
    patch=7,
    width=16 if smoke else 32,
    depth=1 if smoke else 4,
    heads=4,
    hidden=16 if smoke else 64,
  )
  config.experts = 4  # While training, in every block; 0 for plain networks.
  config.equal = False  # Whether the experts start as one, or are each drawn.
  config.share_rate = 0.0  # Of the last step; it rises to it from 0.
  config.epochs = {'smoke': 1, 'laptop': 20, 'paper': 50}[scale]
  config.batch_size = 64
  config.optimizer = dict(
    name='adamw', learning_rate=3e-3, weight_decay=0.05, warmup=0.1
  )
  config.nonfinite = 'stop'
  config.execution = dict(log_every=110, checkpoint_seconds=60.0, group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields plain training, and experts at some share rates, for each seed."""
  seeds = axes.over('seed', range(1 if scale == 'smoke' else 5))
  apart = axes.over('share_rate', (0.0, 0.01, 0.1))
  # Together they stay near each other, whatever the share rate.
  equal = axes.over('share_rate', (0.0, 0.1))
  yield from axes.product(axes.fixed('experts', 0), seeds)
  yield from axes.product(apart, seeds)
  yield from axes.product(axes.fixed('equal', True), equal, seeds)


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  return [
    claims.Claim('plain_accuracy', None, 0.7765, 0.02, 'ours'),
    claims.Claim(
      'apart_share_rate_0_gain', None, -0.064, 0.5, 'ours', 'the control'
    ),
    claims.Claim('apart_share_rate_0.01_loss_gain', None, 0.042, 0.6, 'ours'),
  ]
