r"""all-MiniLM-L6-v2, fine-tuned: accuracy against the drop rate of the delta.

Papers: Yu et al, 2023, https://arxiv.org/abs/2311.03099, and Deng et al, 2024,
  https://arxiv.org/abs/2410.09344.
Run: paramspace reproduce configs/deltas/minilm_drop_rate.py
Time: half an hour on 2 cores, with the fine-tuning (6 runs of 1 to 2 min).
Expect: the mean accuracy of SST-2 and TREC, one seed, masks drawn twice, is
  .900 after usual steps, with deltas of rms .0011, and 0.779 before them. DARE
  keeps .900 at a rate of .9, .887 at .99, and .359 at .999; without rescaling
  .817 and .782, by magnitude .882 and .800. After steps five times as
  large (rms .0045, accuracy .855) DARE has .843 at .9, and fails at .99, with
  .410, where DAREx-q has .806 by labels, .777 by change and .756 analytic, and
  magnitude .814. A pull towards the base (rms .0018, accuracy .896) leaves DARE
  .829 at .99.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.drop_rate'
SHARED = 'minilm'  # The encoders that are merged.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/minilm_drop_rate.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.minilm_drop_rate'
  config.scale = scale
  config.seed = 0  # Of the fine-tuning too.
  config.task = 'sst2'
  config.tuning = 'usual'  # Which of the three below.
  config.method = 'dare'
  config.rates = (0.5, 0.9) if smoke else (0.5, 0.9, 0.95, 0.99, 0.999)
  config.draws = 1 if smoke else 2  # Of the masks that are measured.
  config.etas = (0.3, 1.0) if smoke else (0.03, 0.1, 0.3, 1.0)
  config.statistics_examples = 4 if smoke else 50
  config.examples = dict(
    train=40 if smoke else 1_000,
    validation=20 if smoke else 128,
    test=20 if smoke else 400,
  )
  steps = {'smoke': 3, 'laptop': 150, 'paper': 3_000}[scale]
  config.tasks = dict(
    sst2=dict(length=16 if smoke else 40, steps=steps),
    trec=dict(length=16, steps=steps),
  )
  config.tunings = dict(
    usual=dict(name='adam', learning_rate=2e-4, decay=0.0),
    large=dict(name='adam', learning_rate=1e-3, decay=0.0),
    toward_base=dict(name='adam_toward_base', learning_rate=1e-3, decay=0.1),
  )
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


# After usual steps, after large ones, and after large ones with a pull.
METHODS = {
  'usual': ('dare', 'drop_only', 'magnitude', 'q_by_score'),
  'large': (
    'dare',
    'drop_only',
    'magnitude',
    'q_by_score',
    'q_by_change',
    'q_analytic',
  ),
  'toward_base': ('dare',),
}
FEW = {'usual': ('dare', 'q_by_score'), 'toward_base': ('dare',)}


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the methods for each way to fine-tune."""
  smoke = scale == 'smoke'
  yield from axes.product(
    axes.over('seed', range(3 if scale == 'paper' else 1)),
    axes.over('task', ('trec',) if smoke else ('sst2', 'trec')),
    axes.chained(
      *(
        axes.product(axes.fixed('tuning', tuning), axes.over('method', methods))
        for tuning, methods in (FEW if smoke else METHODS).items()
      )
    ),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  return [
    claims.Claim(
      'usual_dare_0.9', None, 0.900, 0.05, 'Yu et al, 2023, in words'
    ),
    claims.Claim(
      'usual_dare_0.99', None, 0.887, 0.05, 'Yu et al, 2023, in words'
    ),
    claims.Claim(
      'large_dare_0.99', None, 0.410, 0.3, 'Deng et al, 2024, in words'
    ),
    claims.Claim(
      'large_q_by_score_0.99', None, 0.806, 0.05, 'Deng et al, 2024, in words'
    ),
    claims.Claim(
      'toward_base_dare_0.99', None, 0.829, 0.05, 'Deng et al, 2024, in words'
    ),
  ]
