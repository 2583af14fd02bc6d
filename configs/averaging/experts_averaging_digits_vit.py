r"""Digits, a small vision transformer, experts that become one network.

Paper: Huang et al, 2023, https://arxiv.org/abs/2308.06093.
Run: paramspace reproduce configs/averaging/experts_averaging_digits_vit.py
Time: 9 min on 2 cores, that had other work too.
Expect: over plain training, 0.9411, experts with a share rate of 0.1 gain 0.9
  points of accuracy (95%: 0.3 to 1.7) at the same cost of inference, over 5
  seeds. Without a share rate the collapse takes 4.6 points away (2.1 to 7.9),
  unless the experts start equal: these stay near each other, and gain 0.9 (0.3
  to 1.6). One of the 360 test images is 0.3 points: Fashion-MNIST tells more.
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
  config.data = 'digits'
  config.train_examples = 1_437  # All of them.
  config.model = dict(
    name='vit',
    patch=2,
    width=16 if smoke else 32,
    depth=1 if smoke else 4,
    heads=4,
    hidden=16 if smoke else 64,
  )
  config.experts = 4  # While training, in every block; 0 for plain networks.
  config.equal = False  # Whether the experts start as one, or are each drawn.
  config.share_rate = 0.0  # Of the last step; it rises to it from 0.
  config.epochs = {'smoke': 1, 'laptop': 30, 'paper': 200}[scale]
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
  if scale == 'smoke':
    return []
  paper = 'Huang et al, 2023, abstract: better at the same inference cost'
  return [
    claims.Claim('plain_accuracy', None, 0.941, 0.02, 'ours'),
    claims.Claim('apart_share_rate_0.1_gain', None, 0.0094, 1.0, paper),
    claims.Claim('apart_share_rate_0_gain', None, -0.046, 1.0, 'the control'),
  ]
