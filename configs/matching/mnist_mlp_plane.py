r"""MNIST, 784-512-512-512-10: the loss plane of a, b and b permuted.

Paper: Ainsworth et al, 2023, https://arxiv.org/abs/2209.04836, Figure 1: a and
  the permuted b lie in one basin, b in another.
Run: paramspace reproduce configs/matching/mnist_mlp_plane.py
Time: 5 min on 2 cores beside other work, 1 min of it computing, with the
  networks of mnist_mlp done in the same --workdir.
Expect: three pairs of networks of 8 epochs: on the line from a to b the test
  loss rises by 1.14 above the chord, from a to the permuted b by .013, and from
  b to itself, permuted, by 1.18: nothing but the order of its units is between
  these two. On the map, a valley goes from a to the permuted b. The permutation
  takes 7% of the distance to a away.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.loss_plane'
SHARED = 'mnist_mlp'  # The networks that are matched.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/mode_connectivity/plane.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.mode_connectivity.plane'
  config.scale = scale
  config.seed = 0  # Of what a method draws.
  config.models = (0, 1)  # Seeds of the two networks.
  config.data = 'digits' if smoke else 'mnist'
  config.model = dict(name='fc', depth=3, width=32 if smoke else 512)
  config.held_out = 100 if smoke else 2_000  # As in mnist_mlp.
  config.training = dict(  # Adam.
    epochs={'smoke': 30, 'laptop': 8, 'paper': 100}[scale],
    batch_size=100 if smoke else 500,
    learning_rate=1e-3,
    nonfinite='stop',
  )
  config.method = 'weight_matching'
  config.steps = {'smoke': 5, 'laptop': 21, 'paper': 41}[scale]  # Of an axis.
  config.margin = 0.25  # Beyond the models, as a share of what they span.
  config.line_steps = 5 if smoke else 25  # Of the lines between the models.
  config.examples = dict(  # That are measured on; of training data, none.
    train=200, test={'smoke': 200, 'laptop': 2_000, 'paper': 10_000}[scale]
  )
  config.execution = dict(log_every=116, checkpoint_seconds=60.0)
  return config


PAIRS = ((0, 1), (2, 3), (4, 5))


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields three pairs of networks, those of mnist_mlp."""
  yield from axes.over('models', PAIRS[:1] if scale == 'smoke' else PAIRS)


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours, paper = 'measured here', 'Ainsworth et al, 2023, in words'
  near = 'the paper says none, after 100 epochs'
  return [
    claims.Claim('ab/loss', None, 1.14, 0.1, ours),
    claims.Claim('ac/loss', 0.0, 0.0125, 0.6, paper, near),
    claims.Claim('bc/loss', None, 1.18, 0.1, ours),
    claims.Claim('distance_ratio', None, 0.926, 0.02, ours),
  ]
