r"""MNIST, 784-512-512-512-10: barriers before matching and after, by each way.

Paper: Ainsworth et al, 2023, https://arxiv.org/abs/2209.04836: after matching,
  by any of three ways, this network has no barrier.
Run: paramspace reproduce configs/matching/mnist_mlp.py
Time: 11 min on 2 cores, that had other work too; 8 min of it computing.
Expect: of networks with a test accuracy of .979 after 8 epochs, 3 pairs, the
  barrier of the test loss above the chord is 1.11 not permuted, .013 after
  weight matching (.056 on training data), .148 where that starts from the
  identity alone, as the authors' does, .019 after activation matching, .026
  after Frank-Wolfe, .135 after 100 steps straight-through. Most of the first is
  no matter of permutations: .33 with the temperature that suits each point, and
  .17 with statistics reset. After weight matching these are .021 and .009. The
  accuracy at the midpoint is .861 not permuted, .923 with statistics reset, and
  .973 and .975 after weight matching. The definitions of a barrier agree within
  .003, because the ends do.

Temperatures are fitted on held-out images: on what is trained on, the best one
of a network that is always right is 0.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.mode_connectivity'
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
WAYS = (  # Method, and whether statistics are reset.
  ('none', False),
  ('weight_matching', False),
  ('activation_matching', False),
  ('straight_through', False),
  ('frank_wolfe', False),
  ('from_identity', False),
  ('none', True),
  ('weight_matching', True),
)


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the ways to match, of three pairs."""
  methods, repairs = zip(*WAYS, strict=True)
  yield from axes.product(
    axes.over('models', PAIRS[:1] if scale == 'smoke' else PAIRS),
    axes.zipped(axes.over('method', methods), axes.over('repair', repairs)),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours, paper = 'measured here', 'Ainsworth et al, 2023, in words'
  near = 'the paper says none, after 100 epochs'
  return [
    claims.Claim('3x512', None, 0.979, 0.005, ours),
    claims.Claim('3x512/none/loss', None, 1.11, 0.1, ours),
    claims.Claim('3x512/none/calibrated_loss', None, 0.327, 0.5, ours),
    claims.Claim('3x512/none+reset/loss', None, 0.166, 0.3, ours),
    claims.Claim('3x512/weight_matching/loss', 0.0, 0.0126, 0.6, paper, near),
    claims.Claim('3x512/from_identity/loss', None, 0.148, 0.3, ours),
    claims.Claim('3x512/weight_matching+reset/loss', None, 0.0092, 0.7, ours),
    claims.Claim(
      '3x512/activation_matching/loss', 0.0, 0.0193, 0.6, paper, near
    ),
    claims.Claim('3x512/weight_matching/middle', None, 0.973, 0.005, ours),
  ]
