r"""The whole digits sweep in one program, over its points one after another.

Run: JAX_ENABLE_COMPILATION_CACHE=0 paramspace run \
  configs/benchmarks/one_program.py
Time: 3 min on 2 cores.
Expect: 65 points in 14 s in one program, 185 s one by one, a ratio of 13.5;
  both with compilation.
"""

import ml_collections


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns the point; `experiments/benchmarks/one_program.py` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.one_program'
  config.scale = scale
  config.path = 'configs/intrinsic_dimension/digits_fc.py'
  config.target_scale = scale
  config.execution = dict(group_size=0)
  return config
