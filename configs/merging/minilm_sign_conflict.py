r"""all-MiniLM-L6-v2, tuned on six tasks: sign conflict against how many merge.

Paper: Yadav et al, 2023, https://arxiv.org/abs/2306.01708, Figure 3: signs
  conflict also after all but the largest fifth of each delta was trimmed, and
  the more so the more models are merged.
Run: paramspace reproduce configs/merging/minilm_sign_conflict.py
Time: 2 min on 2 cores, with the encoders of minilm_tasks done in the same
  --workdir.
Expect: of the entries that two deltas keep, or more, over all subsets and 3
  seeds: signs conflict in .42 of them for pairs and .51 for all six where a
  fifth is kept, as in the paper, so more with more models; in .48 and .94 where
  all is kept, .18 and .26 where 1%. Random signs would be in conflict in .50
  and .60 of them, .50 and .97, .50 and .55: the largest entries of two tasks
  agree far more often than chance, and whole deltas hardly. Of all entries, .02
  and .18 conflict where a fifth is kept.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.sign_conflict'
SHARED = 'minilm'  # The encoders that are merged.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/sign_conflict.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.sign_conflict'
  config.scale = scale
  config.seed = 0  # Of the fine-tuning.
  config.density = 0.2  # The fraction of a delta that is kept.
  # What follows is as in configs/merging/minilm_tasks.py: so are the encoders.
  config.examples = dict(
    train=40 if smoke else 1_000,
    validation=20 if smoke else 64,
    test=20 if smoke else 256,
  )
  steps = lambda laptop: 3_000 if scale == 'paper' else laptop
  config.tasks = dict(
    sst2=dict(length=40, steps=steps(150)),
    cola=dict(length=20, steps=steps(400)),
    rte=dict(length=80, steps=steps(150)),
    trec=dict(length=16, steps=steps(150)),
    subj=dict(length=40, steps=steps(100)),
    mr=dict(length=40, steps=steps(150)),
  )
  if smoke:
    config.tasks = {n: dict(length=16, steps=3) for n in ('trec', 'mr', 'subj')}
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
  """Yields densities, for each seed."""
  smoke = scale == 'smoke'
  yield from axes.product(
    axes.over('seed', range(1 if smoke else 3)),
    axes.over('density', (0.2, 1.0) if smoke else (0.01, 0.05, 0.2, 1.0)),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours = 'measured here'
  paper = 'Yadav et al, 2023, Figure 3, in words'
  return [
    claims.Claim('0.2/2/shared', None, 0.420, 0.05, ours),
    claims.Claim('0.2/6/shared', None, 0.515, 0.05, ours),
    claims.Claim('0.2/rise', None, 0.094, 0.2, paper, 'conflict rises'),
    claims.Claim('0.2/6/whole', None, 0.179, 0.1, ours),
    claims.Claim('0.2/6/chance', None, 0.599, 0.02, ours),
    claims.Claim('0.01/2/shared', None, 0.182, 0.15, ours),
    claims.Claim('1/6/shared', None, 0.943, 0.02, ours),
  ]
