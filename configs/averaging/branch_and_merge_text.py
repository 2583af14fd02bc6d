r"""Forgetting Shakespeare over film reviews, with and without merging.

Paper: Alexandrov et al, 2024, https://arxiv.org/abs/2407.08699: merged branches
  move less, forget less of the source language than continued training, and
  learn as much of the target language.
Run: paramspace reproduce configs/averaging/branch_and_merge_text.py
Time: 17 min on 2 cores with other work on them; 11 min of CPU.
Expect: at the same learning rate branch-and-merge moves .65 as far as
  sequential training, forgets .94 as much, and learns .88 as much, on the line
  or the arc alike. For what it learns it forgets more, not less: .08 nats per
  byte above sequential training at a smaller learning rate. The paper's
  advantage is not found at this scale. Beside training on the same slices
  without branches it forgets less at every rate, as a smaller rate does.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.forgetting'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/branch_and_merge.py` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.branch_and_merge'
  config.scale = scale
  config.seed = 0
  config.model = {
    'smoke': dict(name='gpt', depth=1, width=16, heads=2, context=16),
    'laptop': dict(name='gpt', depth=2, width=96, heads=4, context=64),
    'paper': dict(name='gpt', depth=6, width=384, heads=6, context=256),
  }[scale]
  config.model.tied = True
  config.batch_size = {'smoke': 8, 'laptop': 16, 'paper': 64}[scale]
  config.first = dict(
    data='tinyshakespeare',
    steps={'smoke': 40, 'laptop': 1_200, 'paper': 5_000}[scale],
    learning_rate=1e-3 if scale == 'paper' else 3e-3,
    log_every={'smoke': 20, 'laptop': 100, 'paper': 100}[scale],
  )
  config.second = dict(
    data='movie_reviews',
    # Of one model, or of all branches together.
    steps={'smoke': 16, 'laptop': 320, 'paper': 2_000}[scale],
    learning_rates=(3e-4, 1e-3) if scale == 'smoke' else (1e-4, 3e-4, 1e-3),
  )
  config.slices = 4
  config.branches = 2
  config.optimizer = dict(
    schedule='linear',  # To zero, on each slice; or 'constant'.
    warmup=0.2,  # A share of the steps, on each slice.
    b2=0.99,
    weight_decay=0.1,
    clip=1.0,
  )
  config.nonfinite = 'stop'
  config.execution = dict(log_every=1, checkpoint_seconds=60.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the seeds."""
  for seed in range(1 if scale == 'smoke' else 3):
    yield {'seed': seed}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  paper = 'Alexandrov et al, 2024, in words'
  worse = 'the paper finds merging better, so above 0'
  return [
    claims.Claim('BaM linear/distance', None, 0.648, 0.1, paper),
    claims.Claim('BaM linear/forgetting', None, 0.936, 0.1, paper),
    claims.Claim('BaM linear/learning', None, 0.876, 0.1, 'ours'),
    claims.Claim('BaM linear/below_frontier', None, -0.078, 0.5, 'ours', worse),
  ]
