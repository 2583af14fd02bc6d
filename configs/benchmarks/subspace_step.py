r"""The cost of a training step in a subspace, over that of a direct step.

Paper: Li et al, 2018, https://arxiv.org/abs/1804.08838, S7: on a GPU of 2017, a
  direct step of 2.7 ms becomes 22 ms with fastfood, 11 to 18 ms with dense.
Run: paramspace reproduce configs/benchmarks/subspace_step.py
Time: 10 min on 2 cores.
Expect: times as long as a direct step, with 100 to 10,000 of 200,000, of 2
  million and of 20 million parameters: hashed 1.1 to 1.4, 1.0 to 1.1 and 0.9,
  which is faster, for the optimizer has d numbers to update; hadamard 1.7 to
  1.9, 1.5 to 1.6 and 1.4 to 1.5; fastfood 3.6 to 4.0, 6.5 to 7.0 and 15 to 16;
  sparse 1.1 to 17.6, 1.1 to 12 and 1.0 to 7.0; dense 4.3 to 46 where there is
  room for it. A frozen byte is for 5 to 8 parameters with hadamard, and nearly
  8 with hashed.
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
