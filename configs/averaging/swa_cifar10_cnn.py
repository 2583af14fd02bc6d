r"""CIFAR-10, a small CNN: averaged weights, and their batch statistics.

Paper: Izmailov et al, 2018, https://arxiv.org/abs/1803.05407, Table 1: a wide
  residual network at 96.18 with SGD, 96.45 with SWA in the same budget, its
  statistics estimated again.
Run: paramspace reproduce configs/averaging/swa_cifar10_cnn.py
Time: 20 min on 2 cores.
Expect: accuracy 0.740 for the last iterate at the rate of the averaging, 0.785
  for the average, with statistics averaged or estimated again alike, even over
  1,280 images; 0.738 with those of the last iterate; and 0.784 for the last
  iterate where the rate goes to zero. Of what the average gains, half is in the
  statistics: estimated again, the last iterate has 0.764.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.swa'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/image_averages.py` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.image_averages'
  config.scale = scale
  config.seed = 0
  config.data = 'digits' if scale == 'smoke' else 'cifar10'
  config.model = {
    'smoke': dict(name='cnn', widths=(8, 16)),
    'laptop': dict(name='cnn', widths=(16, 32, 64, 128)),
    'paper': dict(name='cnn', widths=(64, 128, 256, 512)),
  }[scale]
  config.model.momentum = 0.9  # Of the running statistics.
  config.epochs = {'smoke': 4, 'laptop': 6, 'paper': 100}[scale]
  config.batch_size = 128
  config.shift = {'smoke': 1, 'laptop': 4, 'paper': 4}[scale]  # In pixels.
  config.optimizer = dict(
    learning_rate=0.1,
    averaged_rate=0.05,  # While weights are averaged.
    schedule='constant',  # Or 'linear', to zero.
    warmup=0.1,  # Of the steps.
    momentum=0.9,
    weight_decay=5e-4,
  )
  # Where it starts, as a share of the steps, and the steps between two samples.
  # The paper takes one an epoch, of more epochs.
  config.average = dict(
    start=0.75, every={'smoke': 3, 'laptop': 39, 'paper': 390}[scale]
  )
  config.few_batches = {'smoke': 2, 'laptop': 10, 'paper': 10}[scale]
  config.nonfinite = 'stop'
  config.execution = dict(
    log_every={'smoke': 11, 'laptop': 130, 'paper': 390}[scale],
    checkpoint_seconds=60.0,
    group_size=0,
  )
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields both schedules for each seed."""
  for seed in range(1 if scale == 'smoke' else 3):
    yield {'seed': seed}
    yield {'seed': seed, 'optimizer.schedule': 'linear'}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale == 'smoke':
    return []
  source = 'Izmailov et al, 2018, Section 3'
  return [
    claims.Claim('constant_pooled_accuracy', None, 0.785, 0.02, source),
    claims.Claim('constant_pooled_gain', None, 0.045, 0.6, source),
    claims.Claim('gain_over_copied', None, 0.047, 0.7, source),
  ]
