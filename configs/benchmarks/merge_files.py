r"""Merging files from the command line, beside mergekit-yaml on the same page.

Run: paramspace reproduce configs/benchmarks/merge_files.py
Peer: a CPU build of PyTorch, then pip install 'paramspace[benchmark]'. Without
  mergekit our side is measured alone.
"""

import importlib.util
from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.merge_files_speed'

SHAPES = {
  'smoke': dict(hidden=16, layers=2, mlp=24, vocabulary=64, heads=2),
  'laptop': dict(hidden=1024, layers=12, mlp=2816, vocabulary=32000, heads=16),
  'paper': dict(hidden=2048, layers=40, mlp=5632, vocabulary=32000, heads=16),
}
METHODS = ('linear', 'task_arithmetic', 'ties', 'dare_ties', 'global_ties')

# Times as fast as mergekit, and times `cat` and the start, that are asked for.
FASTER = {'ties': 8, 'dare_ties': 5}
OF_FLOOR = ('linear', 'task_arithmetic')


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one size; `experiments/benchmarks/merge_files/` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.merge_files'
  config.scale = scale
  config.shape = dict(SHAPES['smoke' if scale == 'smoke' else 'laptop'])
  config.models = 3
  config.dtype = 'bfloat16'
  config.shards = 2
  config.methods = METHODS
  config.rounds = 1 if scale == 'smoke' else 5
  config.folder = ''  # Of the checkpoints; the system's for temporary files.
  config.execution = dict(group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the sizes; ten times as many parameters need 45 GB of disk."""
  if scale == 'paper':
    paper = {f'shape.{k}': v for k, v in SHAPES['paper'].items()}
    yield {**paper, 'rounds': 1}
  yield {}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what is asked for; of mergekit only where there is one."""
  if scale == 'smoke':
    return []
  asked = [  # From nothing to the most that is asked for.
    *(
      claims.Claim(f'{m}/of_floor', None, 1.0, 1.0, 'at most 2 times `cat`')
      for m in OF_FLOOR
    ),
    *(
      claims.Claim(f'{m}/of_bound', None, 0.5, 1.0, 'at most the bound')
      for m in METHODS
    ),
    claims.Claim('global_ties/passes', None, 1.0, 1.0, 'one more than `ties`'),
  ]
  if importlib.util.find_spec('mergekit') is None:
    return asked
  return asked + [
    claims.Claim(f'{m}/time', None, 0.5 / times, 1.0, f'{times} times')
    for m, times in FASTER.items()
  ]
