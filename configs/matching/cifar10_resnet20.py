r"""CIFAR-10, ResNet-20 with batch norm: permuted, and its statistics reset.

Paper: Jordan et al, 2022, https://arxiv.org/abs/2211.08403: halfway between two
  networks of 93.5%, accuracy is 12.7% after permutation and 67.6% once batch
  statistics are those of the midpoint; at four times the width, of networks of
  96.1%, 34.8% and 92.1%.
Run: paramspace reproduce configs/matching/cifar10_resnet20.py
Time: 6 min on 2 cores, that had other work too.
Expect: at half the width, on 16x16 pixels, of networks of 46% after 5 epochs of
  10,000 images: halfway an accuracy of 9.6% not permuted and 16% with its
  statistics reset; 11% and 22% (95%: 17 to 31) after weight matching, 12% and
  32% (29 to 34) after activation matching by correlation, over 3 pairs of 3
  networks. The barrier of the test loss is .98 not permuted, .70 with
  statistics reset, .62 and .37 after matching; a calibrated temperature takes
  .15 off the first and .02 off the last. So most is in the statistics, as in
  the paper; and weight matching hardly helps networks as narrow, and trained as
  little, as these.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.paths'
SMALL = 'of networks of 93.5%, where ours have 46%'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/resnet_matching` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.resnet_matching'
  config.scale = scale
  config.models = 2 if smoke else 3
  config.seed = 0  # Of a pair: the networks with this seed and with the next.
  config.data = 'digits' if smoke else 'cifar10'
  config.model = {
    'smoke': dict(name='resnet', depth=8, width=0.25),
    'laptop': dict(name='resnet', depth=20, width=0.5),
    'paper': dict(name='resnet', depth=20, width=4.0),
  }[scale]
  config.model.momentum = 0.9  # Of the running statistics.
  # Pixels are averaged over squares of this side: a quarter of the time.
  config.shrink = {'smoke': 1, 'laptop': 2, 'paper': 1}[scale]
  # Of the training set: the first are trained on, the last fit temperatures.
  config.examples = {'smoke': 400, 'laptop': 10_000, 'paper': 45_000}[scale]
  config.held_out = {'smoke': 100, 'laptop': 250, 'paper': 5_000}[scale]
  config.training = dict(
    epochs={'smoke': 4, 'laptop': 5, 'paper': 200}[scale],
    batch_size=64 if smoke else 128,
    shift={'smoke': 1, 'laptop': 2, 'paper': 4}[scale],  # In pixels.
    optimizer=dict(
      learning_rate=0.1,  # At most; it warms up, and falls to 0 as a cosine.
      warmup=0.1,  # A share of the steps.
      momentum=0.9,
      weight_decay=5e-4,
    ),
  )
  # Training images, in batches of so many: for batch statistics at each point
  # of a line, and for activations.
  config.batch_size = {'smoke': 64, 'laptop': 250, 'paper': 500}[scale]
  config.statistics = {'smoke': 64, 'laptop': 500, 'paper': 5_000}[scale]
  config.activations = {'smoke': 64, 'laptop': 1_000, 'paper': 10_000}[scale]
  # How many each point is measured on, the first.
  config.measured = {
    'smoke': dict(train=100, test=100),
    'laptop': dict(train=250, test=500),
    'paper': dict(train=5_000, test=10_000),
  }[scale]
  config.points = 5 if smoke else 25
  config.nonfinite = 'stop'
  config.execution = dict(log_every=20, checkpoint_seconds=60.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the pairs: a network with the next, and the last with the first.

  At paper scale, of width 1 too.
  """
  widths = {'smoke': (0.25,), 'laptop': (0.5,), 'paper': (1.0, 4.0)}[scale]
  pairs = range(1 if scale == 'smoke' else 3)
  yield from axes.product(
    axes.over('model.width', widths), axes.over('seed', pairs)
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  figure = 'Jordan et al, 2022, the data of their figures'
  ours = 'measured here'
  middle = lambda way: f'{way}/midpoint_accuracy'
  if scale == 'smoke':
    return []
  if scale == 'laptop':
    return [
      claims.Claim(middle('none'), None, 0.096, 0.3, ours),
      claims.Claim(middle('none_reset'), None, 0.163, 0.3, ours),
      claims.Claim(middle('weights_reset'), None, 0.221, 0.4, ours),
      claims.Claim(middle('activations'), 0.127, 0.121, 0.5, figure, SMALL),
      claims.Claim(
        middle('activations_reset'), 0.676, 0.317, 0.15, figure, SMALL
      ),
      claims.Claim('none_reset/calibrated_barrier', None, 0.7, 0.2, ours),
      claims.Claim('activations_reset/barrier', None, 0.374, 0.25, ours),
    ]
  return [
    claims.Claim(middle('x1/activations'), 0.127, None, 1.0, figure),
    claims.Claim(middle('x1/activations_reset'), 0.676, None, 0.15, figure),
    claims.Claim(middle('x4/activations'), 0.348, None, 1.0, figure),
    claims.Claim(middle('x4/activations_reset'), 0.921, None, 0.03, figure),
  ]
