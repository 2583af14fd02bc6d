r"""Merging files from the command line, beside mergekit-yaml on the same page.

Run: paramspace reproduce configs/benchmarks/merge_files.py
Time: 11 min on 2 cores, most of it the peer's.
Expect: of 220 million parameters, a base and three tuned models, whole
  processes, beside mergekit-yaml: linear 5.1 s (2.0 times as fast), task
  arithmetic 5.8 s (1.9), TIES 7.1 s (7.5; 8 were asked for), DARE-TIES 7.2 s
  (3.0; 5 asked, which is 4.4 s, where `cat` of the inputs and the start take
  3.6), global TIES 10.2 s in two readings. Linear and task arithmetic take 1.3
  and 1.7 times what `cat` and the start take. At most .8 to 1.4 GB are
  resident, where 1.48 were allowed. Of ten times as many parameters 1.5 to
  2.6 GB, where 2.66 were, and 1.1 to 2.6 times `cat` and the start.
Peer: a CPU build of PyTorch, then pip install 'paramspace[benchmark]'. Without
  mergekit our side is measured alone.
"""

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
  config.methods = ('ties',) if scale == 'smoke' else METHODS
  config.rounds = 1 if scale == 'smoke' else 2
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
  """Returns what is asked for."""
  if scale == 'smoke':
    return []
  return [  # From nothing to the most that is asked for.
    *(
      claims.Claim(f'{m}/of_floor', None, 1.0, 1.0, 'at most 2 times `cat`')
      for m in OF_FLOOR
    ),
    *(
      claims.Claim(f'{m}/of_bound', None, 0.5, 1.0, 'at most the bound')
      for m in METHODS
    ),
    claims.Claim('global_ties/passes', None, 1.0, 1.0, 'one more than `ties`'),
    *(
      claims.Claim(
        f'{m}/time', None, 0.5 / t, 1.0, f'{t} times', needs='mergekit'
      )
      for m, t in FASTER.items()
    ),
  ]
