r"""The cost of averaging every step, and of a sum over checkpoints.

Run: paramspace reproduce configs/benchmarks/averaging.py
Time: 4 min on 2 cores.
Expect: an update takes no longer than a pass that adds, 0.9 to 1.0 of it from
  20 million parameters on, 0.6 to 0.8 below. A step of the CIFAR
  network takes as long with an average as without. A sum of 16 files of 250 MB
  takes 1.3 times as long as to read them, and 2.2 trees of memory. In bfloat16
  `optax.incremental_update` never moves; our mean is float32.
"""

import itertools
from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.averaging_speed'

# By the number of parameters: calls in a row, whole tens for the average that
# takes every tenth step, and rounds.
SIZES = {
  200_000: (200, 15),
  2_000_000: (50, 15),
  20_000_000: (10, 20),
  100_000_000: (10, 10),
}


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one part; `experiments/benchmarks/averaging/` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.averaging'
  config.scale = scale
  config.part = 'update'
  config.size = 200_000  # Parameters, D.
  config.dtype = 'float32'  # Of the parameters.
  config.calls = 2 if smoke else 200  # In a row.
  config.rounds = 2 if smoke else 15
  # The network of the SWA study.
  config.model = dict(
    name='cnn', widths=(4, 8) if smoke else (16, 32, 64, 128), momentum=0.9
  )
  config.batch_size = 8 if smoke else 128
  config.files = 3 if smoke else 16
  config.megabytes = 1 if smoke else 250  # Of each file.
  config.decays = (0.99,) if smoke else (0.99, 0.999, 0.9999)
  config.execution = dict(group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields every size and type of parameters, and the other parts."""
  sizes = {20_000: (10, 2)} if scale == 'smoke' else SIZES
  for size, dtype in itertools.product(sizes, ('float32', 'bfloat16')):
    calls, rounds = sizes[size]
    yield {'size': size, 'dtype': dtype, 'calls': calls, 'rounds': rounds}
  smoke = scale == 'smoke'
  yield {'part': 'step', 'calls': 1, 'rounds': 2 if smoke else 100}
  yield {'part': 'combine', 'rounds': 2 if smoke else 9}
  yield {'part': 'settling'}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what is asked for."""
  if scale == 'smoke':
    return []
  most = {
    f'update/{name}/float32/{size}': 1.2
    for name in ('uniform', 'ema', 'power')
    for size in SIZES
  }
  most |= {'step/as_optax': 1.05, 'step/update': 1.05}
  most |= {'combine_peak_trees': 2.5}  # Two, and some leaves.
  return [  # From nothing to the most that is asked for.
    claims.Claim(name, None, limit / 2, 1.0, f'at most {limit}')
    for name, limit in most.items()
  ]
