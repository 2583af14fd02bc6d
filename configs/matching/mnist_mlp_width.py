r"""MNIST, networks of three hidden layers: the barrier against the width.

Papers: Ainsworth et al, 2023, https://arxiv.org/abs/2209.04836: after weight
  matching, wide networks have no barrier and narrow ones do. Entezari et al,
  2022, https://arxiv.org/abs/2110.06296: without a permutation too, the barrier
  of a wide network falls.
Run: paramspace reproduce configs/matching/mnist_mlp_width.py
Time: 5 min on 2 cores beside other work, with the networks of mnist_mlp done in
  the same --workdir.
Expect: the barrier of the test loss at widths 32, 64, 128, 256 and 512, after 8
  epochs, 3 pairs each: not permuted 2.98, 2.43, 1.53, 1.21 and 1.11, and 2.06,
  1.98, 1.49, 1.04 and .33 with the temperature that suits each point; with
  statistics reset 3.22, 2.31, 1.24, .51 and .17; after weight matching 1.01,
  .72, .19, .091 and .013, and .75, .32, .10, .042 and .009 with statistics
  reset. So all barriers fall with the width, and that without a permutation
  too.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.mode_connectivity_width'
SHARED = 'mnist_mlp'  # The networks that are matched.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/mode_connectivity` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.mode_connectivity'
  config.scale = scale
  config.seed = 0  # Of what a method draws.
  config.models = (0, 1)  # Seeds of the two networks.
  config.data = 'digits' if smoke else 'mnist'
  config.model = dict(name='fc', depth=3, width=32 if smoke else 512)
  config.held_out = 100 if smoke else 2_000  # To fit temperatures on.
  config.training = dict(  # Adam.
    epochs={'smoke': 30, 'laptop': 8, 'paper': 100}[scale],
    batch_size=100 if smoke else 500,
    learning_rate=1e-3,
    nonfinite='stop',
  )
  config.method = 'weight_matching'
  config.repair = False
  config.steps = 5 if smoke else 25  # Of the line.
  config.examples = dict(  # That are measured on, at each point of the line.
    train={'smoke': 200, 'laptop': 2_000, 'paper': 58_000}[scale],
    test=200 if smoke else 10_000,
  )
  config.repair_examples = {'smoke': 100, 'laptop': 2_000, 'paper': 10_000}[
    scale
  ]
  config.activation_examples = {
    'smoke': 200,
    'laptop': 10_000,
    'paper': 58_000,
  }[scale]
  config.straight_through = dict(
    steps={'smoke': 5, 'laptop': 100, 'paper': 2_500}[scale],
    batch_size=100 if smoke else 1_000,
    learning_rate=1e-2,
  )
  config.execution = dict(log_every=116, checkpoint_seconds=60.0)
  return config


PAIRS = ((0, 1), (2, 3), (4, 5))
WIDTHS = {
  'smoke': (8, 32),
  'laptop': (32, 64, 128, 256, 512),
  'paper': (32, 64, 128, 256, 512, 1_024),
}


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields widths, and of three pairs of each what is compared."""
  yield from axes.product(
    axes.over('model.width', WIDTHS[scale]),
    axes.over('models', PAIRS[:1] if scale == 'smoke' else PAIRS),
    axes.over('repair', (False, True)),  # Whether statistics are reset.
    axes.over('method', ('none', 'weight_matching')),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours = 'measured here'
  paper = 'Ainsworth et al, 2023, in words'
  return [
    claims.Claim('3x32/weight_matching/loss', None, 1.009, 0.5, paper),
    claims.Claim('3x128/weight_matching/loss', None, 0.194, 0.5, paper),
    claims.Claim('3x512/weight_matching/loss', 0.0, 0.0126, 0.6, paper),
    claims.Claim('3x32/none+reset/loss', None, 3.217, 0.3, ours),
    claims.Claim('3x512/none+reset/loss', None, 0.166, 0.3, ours),
    claims.Claim('3x512/none/loss', None, 1.11, 0.1, ours),
  ]
