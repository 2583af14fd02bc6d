r"""The speed of merging, beside mergekit's on the same arrays.

Run: paramspace reproduce configs/benchmarks/merging.py
Time: 3.5 min on 2 cores.
Expect: times as fast as mergekit, and what is asked for: linear 0.8 (0.3 to
  4.9), 1; task arithmetic 3.7 (0.5 to 11.7), 4; TIES 10.2 (9.7 to 14.7), 10;
  DARE-TIES 6.3 (4.9 to 11.1), 5; DELLA 2.9 (2.8 to 3.1), 10. Sums are bound by
  memory on both sides, and other runs gave 0.8 to 1.4 and 3.5 to 4.5.
Peer: a CPU build of PyTorch, then pip install 'paramspace[benchmark]'. Without
  mergekit our side is measured alone.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.merging_speed'

# Times as fast as mergekit that are asked for.
ASKED = {
  'linear': 1,
  'task_arithmetic': 4,
  'ties': 10,
  'dare_ties': 5,
  'della': 10,
}
ALSO = ('breadcrumbs', 'model_stock', 'slerp')  # Measured, nothing asked.
FAST = ('linear', 'task_arithmetic', 'slerp')


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one method; `experiments/benchmarks/merging/` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.merging'
  config.scale = scale
  config.method = 'linear'
  config.leaves = 4
  config.side = 32 if scale == 'smoke' else 2048  # Leaves are square.
  config.models = 3
  config.rounds = 2
  config.execution = dict(group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields every method; what takes milliseconds is repeated more often."""
  for method in FAST if scale == 'smoke' else (*ASKED, *ALSO):
    rounds = 30 if method in FAST else 5
    yield {'method': method, 'rounds': 2 if scale == 'smoke' else rounds}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what is asked for."""
  if scale == 'smoke':
    return []
  return [  # Of mergekit's time, from nothing to the most that is asked for.
    claims.Claim(
      f'{method}/mergekit/time',
      None,
      0.5 / times,
      1.0,
      f'{times} times',
      needs='mergekit',
    )
    for method, times in ASKED.items()
  ]
