r"""MNIST MLPs: how many dimensions separate two networks, matched or not.

Question: nobody's figure. Li et al, 2018, https://arxiv.org/abs/1804.08838,
  count dimensions from an initialisation; Ainsworth et al, 2023,
  https://arxiv.org/abs/2209.04836, find a permutation after which nothing
  separates two wide networks.
Run: paramspace reproduce configs/matching/mnist_mlp_difference.py
Time: 10 min on 2 cores beside other work, 6 min of it computing, with the
  networks of mnist_mlp_width done in the same --workdir.
Expect: how many random dimensions are enough to bend the segment so that the
  accuracy nowhere on it falls below 90% of that of the networks, 3 pairs each,
  after 600 steps. Not permuted, at widths 32, 64, 128 and 256: 944, 819, 528
  and 325; after weight matching 80, 26, 0 and 0: the segment itself will do.
  For 95%: more than 3,000 at the first three widths, and 1,584; after it 280,
  114, 10 or fewer, and 0. So a permutation is worth all but a tenth of the
  dimensions in narrow networks, and all of them in wide ones. Not permuted, two
  narrow networks are as far apart as an initialisation is from a network: Li et
  al count 750 to 800 for 90% accuracy. The segment itself keeps .21, .27, .46
  and .59 of the accuracy, and .67, .73, .94 and .97; bent in all parameters,
  .95 or more.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.matched_difference'
SHARED = 'mnist_mlp'  # The networks that are matched.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns a point; `experiments/mode_connectivity/difference.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.mode_connectivity.difference'
  config.scale = scale
  config.seed = 0  # Of what a method draws, the subspace and the batches.
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
  config.method = 'weight_matching'  # Or 'none'.
  config.direct = False  # Bend in all parameters: Garipov's curve.
  config.dim = 100
  config.most = 300 if smoke else 3_000  # Of the subspace that is cut to `dim`.
  config.bend_steps = {'smoke': 20, 'laptop': 600, 'paper': 6_000}[scale]
  config.batch_size = 128
  config.learning_rate = 0.03  # Adam.
  config.steps = 5 if smoke else 11  # Of the curve, where it is measured.
  config.examples = dict(  # That are measured on; of training data, none.
    train=200, test={'smoke': 200, 'laptop': 5_000, 'paper': 10_000}[scale]
  )
  config.execution = dict(log_every=100, checkpoint_seconds=60.0)
  return config


PAIRS = ((0, 1), (2, 3), (4, 5))
WIDTHS = {
  'smoke': (8, 32),
  'laptop': (32, 64, 128, 256),
  'paper': (32, 64, 128, 256, 512),
}
DIMS = {
  'smoke': (30, 300),
  'laptop': (10, 30, 100, 300, 1_000, 3_000),
  'paper': (3, 10, 30, 100, 300, 1_000, 3_000),
}


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields widths, matched and not, with every dimension and with all."""
  yield from axes.product(
    axes.over('model.width', WIDTHS[scale]),
    axes.over('models', PAIRS[:1] if scale == 'smoke' else PAIRS),
    axes.over('method', ('none', 'weight_matching')),
    axes.chained(
      axes.over('dim', DIMS[scale]),
      [{'direct': True, 'dim': 0, 'learning_rate': 1e-3}],
    ),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours = 'measured here'
  least = 'the least that was tried is 10'
  return [
    claims.Claim('3x32/none/d_90', None, 944, 0.4, ours),
    claims.Claim('3x64/none/d_90', None, 819, 0.4, ours),
    claims.Claim('3x128/none/d_90', None, 528, 0.4, ours),
    claims.Claim('3x256/none/d_90', None, 325, 0.4, ours),
    claims.Claim('3x256/none/d_95', None, 1_584, 0.8, ours),
    claims.Claim('3x32/weight_matching/d_90', None, 80, 0.7, ours),
    claims.Claim('3x64/weight_matching/d_90', None, 26, 0.7, ours),
    claims.Claim('3x128/weight_matching/d_90', None, 0, 0.0, ours),
    claims.Claim('3x128/weight_matching/d_95', None, 10, 0.7, ours, least),
    claims.Claim('3x256/weight_matching/d_95', None, 0, 0.0, ours),
    claims.Claim('3x32/none/all', None, 0.952, 0.02, ours),
  ]
