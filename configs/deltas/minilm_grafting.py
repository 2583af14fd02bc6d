r"""all-MiniLM-L6-v2, fine-tuned: accuracy against the fraction that is grafted.

Paper: Panigrahi et al, 2023, https://arxiv.org/abs/2302.06600: .01% of the
  parameters of RoBERTa-base are enough for 95% of what fine-tuning gives.
Run: paramspace reproduce configs/deltas/minilm_grafting.py
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes

FIGURE = 'experiments.figures.grafting'


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
  steps = lambda laptop: {'smoke': 3, 'laptop': laptop, 'paper': 3_000}[scale]
  config.tasks = dict(
    sst2=dict(length=40, steps=steps(150)),
    trec=dict(length=16, steps=steps(150)),
    subj=dict(length=40, steps=steps(100)),
    mr=dict(length=40, steps=steps(150)),
  )
  # As in configs/merging/minilm_finetuning.py.
  config.finetuning = dict(
    model='all-MiniLM-L6-v2',
    trained='params/block_.*',
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
