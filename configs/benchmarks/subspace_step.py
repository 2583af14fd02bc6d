r"""The cost of a training step in a subspace, over that of a direct step.

Paper: Li et al, 2018, https://arxiv.org/abs/1804.08838, S7: on a GPU of 2017, a
  direct step of 2.7 ms becomes 22 ms with fastfood, 11 to 18 ms with dense.
Run: paramspace reproduce configs/benchmarks/subspace_step.py
Time: 10 min on 2 cores.
Expect: the table in the README.
"""

import itertools
from collections.abc import Iterator

import ml_collections

FIGURE = 'experiments.figures.subspace_step'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/benchmarks/subspace_step.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.subspace_step'
  config.scale = scale
  config.size = 20_000 if smoke else 199_210  # About how many parameters, D.
  config.method = dict(name='reparam.hashed', dim=75 if smoke else 750)
  config.batch = 128
  config.steps = 40  # In one program.
  config.rounds = 2 if smoke else 15
  config.execution = dict(group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields every projection at every size, Li's network first."""
  shares = {'hashed': 1, 'hadamard': 1, 'fastfood': 4, 'sparse': 4, 'dense': 8}
  for name, share in shares.items():
    steps = 2 if scale == 'smoke' else 40 // share
    yield {'method.name': f'reparam.{name}', 'steps': steps}
  if scale == 'smoke':
    return
  sizes = ((199_210, 40, 9), (2_000_000, 20, 7), (20_000_000, 8, 4))
  dims = (100, 1_000, 10_000)
  for name, (size, steps, rounds), dim in itertools.product(
    shares, sizes, dims
  ):
    yield {
      'size': size,
      'method.name': f'reparam.{name}',
      'method.dim': dim,
      'steps': steps // shares[name],
      'rounds': rounds,
    }
