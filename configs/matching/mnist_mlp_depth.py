r"""MNIST, 128 units a layer: the accuracy halfway against the depth, repaired.

Paper: Jordan et al, 2023, https://arxiv.org/abs/2211.08403: not permuted 39.6%,
  permuted by activations 96.8% and repaired 97.5% for one hidden layer, 15.3,
  93.7 and 96.4% for 3, 10.6, 93.5 and 95.9% for 5, 10.1, 89.3 and 95.3% for 8.
Run: paramspace reproduce configs/matching/mnist_mlp_depth.py
Time: half an hour on 2 cores that had other work too.
Expect: of networks of 8 epochs, 3 pairs, with 1, 2, 3, 5 and 8 layers: not
  permuted .883, .598, .457, .229 and .118; permuted by activations .962, .951,
  .939, .878 and .853, and repaired .962, .956, .949, .927 and .918; by weights
  .962, .949, .917, .726 and .258, and repaired .961, .955, .944, .826 and .485.
  The order is the paper's; trained longer, its networks are better joined.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.mode_connectivity_depth'
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
  config.model = dict(name='fc', depth=3, width=32 if smoke else 128)
  config.held_out = 100 if smoke else 2_000  # To fit temperatures on.
  config.training = dict(  # Adam.
    epochs={'smoke': 30, 'laptop': 8, 'paper': 100}[scale],
    batch_size=100 if smoke else 500,
    learning_rate=1e-3,
    nonfinite='stop',
  )
  config.method = 'activation_matching'
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


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields depths, and of three pairs of each what is compared."""
  yield from axes.product(
    axes.over('model.depth', (1, 3) if scale == 'smoke' else (1, 2, 3, 5, 8)),
    axes.over('models', PAIRS[:1] if scale == 'smoke' else PAIRS),
    axes.over('repair', (False, True)),  # Whether statistics are reset.
    axes.over('method', ('none', 'activation_matching', 'weight_matching')),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale == 'smoke':
    return []
  paper = 'Jordan et al, 2023, in the depth sweep'
  found = {  # By depth: permuted, and repaired; the paper's and ours.
    1: ((0.968, 0.962), (0.975, 0.962)),
    3: ((0.937, 0.939), (0.964, 0.949)),
    5: ((0.935, 0.878), (0.959, 0.927)),
    8: ((0.893, 0.853), (0.953, 0.918)),
  }
  return [
    claims.Claim(f'{depth}x128/{way}/middle', theirs, ours, 0.05, paper)
    for depth, pairs in found.items()
    for way, (theirs, ours) in zip(
      ('activation_matching', 'activation_matching+reset'), pairs, strict=True
    )
  ]
