r"""all-MiniLM-L6-v2, fine-tuned: accuracy against the fraction that is grafted.

Paper: Panigrahi et al, 2023, https://arxiv.org/abs/2302.06600: .01% of the
  parameters of RoBERTa-base are enough for 95% of what fine-tuning gives.
Run: paramspace reproduce configs/deltas/minilm_grafting.py
Time: a quarter of an hour on 2 cores, with the fine-tuning (4 runs).
Expect: of what fine-tuning gives on four tasks, one seed, at .01%, .1%, 1%, 10%
  and 30% of the delta: learned masks 1%, 6%, 28%, 84%, 97%; the top
  movement 1%, 0%, 12%, 81%, 106%; random 0%, 1%, 3%, 24%, 72%.
  So .01% is not enough here. Two tasks share 1.8% of a learned mask
  of 1%, 2.5% of the top movement, and 1% by chance.

The rate of the learned masks is a hundred times the paper's: at 10^7 none of
these deltas' masks moves within 20 steps.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.grafting'
SHARED = 'minilm'  # The encoders that are merged.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/minilm_grafting.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.minilm_grafting'
  config.scale = scale
  config.seed = 0  # Of the fine-tuning too.
  config.mask = 'top_movement'  # Or 'learned', or 'random'.
  config.density = 0.01  # The fraction of the entries of a delta.
  config.learned = dict(
    steps=2 if smoke else 20, batch_size=4 if smoke else 16, learning_rate=1e9
  )
  config.examples = dict(
    train=40 if smoke else 1_000,
    validation=20 if smoke else 128,
    test=20 if smoke else 400,
  )
  steps = lambda laptop: 3_000 if scale == 'paper' else laptop
  config.tasks = dict(
    sst2=dict(length=40, steps=steps(150)),
    trec=dict(length=16, steps=steps(150)),
    subj=dict(length=40, steps=steps(100)),
    mr=dict(length=40, steps=steps(150)),
  )
  if smoke:
    config.tasks = {n: dict(length=16, steps=3) for n in config.tasks}
  # As in configs/merging/minilm_finetuning.py.
  config.finetuning = dict(
    model='all-MiniLM-L6-v2',
    trained='params/block_0.*' if smoke else 'params/block_.*',
    examples=dict(
      train=40 if smoke else None,
      validation=20 if smoke else 128,
      test=20 if smoke else 400,
    ),
    head_examples=40 if smoke else 1_000,
    batch_size={'smoke': 4, 'laptop': 16, 'paper': 32}[scale],
    optimizer=dict(name='adam', learning_rate=2e-4, warmup=0.1, decay=0.0),
    nonfinite='stop',
  )
  config.execution = dict(log_every=20, checkpoint_seconds=120.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields every kind of mask at every fraction."""
  smoke = scale == 'smoke'
  yield from axes.product(
    axes.over('seed', range(3 if scale == 'paper' else 1)),
    axes.over('density', (0.1,) if smoke else (1e-4, 1e-3, 0.01, 0.1, 0.3)),
    axes.over('mask', ('learned', 'top_movement', 'random')),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  return [
    claims.Claim('learned_0.1_share', None, 0.835, 0.3, 'ours'),
    claims.Claim('top_movement_0.1_share', None, 0.810, 0.3, 'ours'),
    claims.Claim('top_movement_0.3_share', None, 1.057, 0.3, 'ours'),
  ]
