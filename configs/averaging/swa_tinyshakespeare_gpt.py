r"""Averages of a character model's weights on tinyshakespeare, kept online.

Paper: Kaddour, 2022, https://arxiv.org/abs/2209.14981: the mean of the latest
  checkpoints is ahead of the last one while the training goes on.
Run: paramspace reproduce configs/averaging/swa_tinyshakespeare_gpt.py
Time: 14 min on 2 cores with other work on them; 13 min of CPU.
Expect: test loss 1.897 nats per byte of the last iterate at a constant learning
  rate, 1.814 of the best average, an EMA or a power average with the shortest
  memory of those here, and 1.818 of LAWA; 1.846 where the learning rate decays
  to zero, on top of which averages gain nothing. The largest learning rate is
  the same for both schedules; it was not tuned for each. LAWA is ahead at every
  evaluation from step 400 on.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.averages_curves'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/language_averages.py` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.language_averages'
  config.scale = scale
  config.seed = 0
  config.data = 'tinyshakespeare'
  config.model = {
    'smoke': dict(name='gpt', depth=1, width=16, heads=2, context=16),
    'laptop': dict(name='gpt', depth=2, width=96, heads=4, context=64),
    'paper': dict(name='gpt', depth=6, width=384, heads=6, context=256),
  }[scale]
  config.model.tied = True
  config.steps = {'smoke': 80, 'laptop': 1_600, 'paper': 10_000}[scale]
  config.batch_size = {'smoke': 8, 'laptop': 16, 'paper': 64}[scale]
  config.optimizer = dict(
    learning_rate=1e-3 if scale == 'paper' else 3e-3,
    schedule='constant',  # After the warm-up; or 'linear', to zero.
    warmup=0.05,  # A share of the steps.
    b2=0.99,
    weight_decay=0.1,
    clip=1.0,
  )
  config.evaluations = {'smoke': 4, 'laptop': 16, 'paper': 40}[scale]
  config.ema = (0.99, 0.995, 0.999)  # Decays a step.
  config.power = (0.05, 0.1, 0.15, 0.2)  # Relative widths.
  # The last k, so many steps apart.
  config.lawa = dict(k=6, every=(config.steps // 80, config.steps // 40))
  config.nonfinite = 'stop'
  config.execution = dict(log_every=1, checkpoint_seconds=60.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields both schedules for each seed."""
  for seed in range(1 if scale == 'smoke' else 3):
    yield {'seed': seed}
    # Of these the end counts.
    yield {'seed': seed, 'optimizer.schedule': 'linear', 'evaluations': 4}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  return [
    claims.Claim('lawa_leads', None, 1.0, 0.0, 'Kaddour, 2022, in words'),
    claims.Claim('gain', None, 0.083, 0.3, 'ours', 'nats per byte'),
    claims.Claim('gain_over_decay', None, 0.032, 0.7, 'ours', 'nats per byte'),
  ]
