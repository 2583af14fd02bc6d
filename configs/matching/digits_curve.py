r"""Digits, two MLPs: a barrier on the straight line, none on a curve.

Paper: Garipov et al, 2018, https://arxiv.org/abs/1802.10026: a curve with one
  bend connects two networks at nearly constant loss.
Run: paramspace reproduce configs/matching/digits_curve.py
Time: 1 min on 2 cores, that had other work too.
Expect: of the test loss, barriers of 1.04 (95%: 0.69 to 1.25) on the line, 0.42
  after REPAIR, 0.09 after weight matching, 0.004 on a Bezier curve and 0 on a
  polygon, over 3 pairs; halfway, accuracies of .61, .84, .95, .99 and .99, the
  ends' being .98. A calibrated temperature takes 0.04 off the first. Of the
  training loss, the barriers are 1.03, and .012 and .005 on the curves.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.paths'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/curve` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.curve'
  config.scale = scale
  config.seed = 0  # Of a pair: its networks have 2 seed and 2 seed + 1.
  config.data = 'digits'
  config.model = dict(name='fc', depth=2, width=16 if smoke else 64)
  config.held_out = 237  # Of the training set, for temperatures.
  config.steps = {'smoke': 60, 'laptop': 1_500, 'paper': 1_500}[scale]
  config.batch_size = 64
  config.learning_rate = 1e-3 if not smoke else 1e-2  # Of Adam.
  config.curve = dict(
    steps={'smoke': 60, 'laptop': 2_500, 'paper': 10_000}[scale],
    learning_rate=0.05,
    momentum=0.9,
    l2=0.0,
  )
  config.points = 5 if smoke else 25  # On each path.
  config.nonfinite = 'stop'
  config.execution = dict(log_every=250, checkpoint_seconds=60.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the pairs."""
  yield from axes.over('seed', range(1 if scale == 'smoke' else 3))


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale == 'smoke':
    return []
  words = 'Garipov et al, 2018, in words'
  ours = 'measured here'
  return [
    claims.Claim('line/barrier', None, 1.04, 0.4, ours),
    claims.Claim('line_repaired/barrier', None, 0.418, 0.3, ours),
    claims.Claim('line_matched/barrier', None, 0.09, 0.6, ours),
    claims.Claim('bezier/barrier', None, 0.004, 4.0, words),
    claims.Claim('bezier/midpoint_accuracy', None, 0.986, 0.01, words),
    claims.Claim('polygon/midpoint_accuracy', None, 0.985, 0.01, words),
  ]
