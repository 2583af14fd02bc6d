r"""Runs that are killed at any moment, and what it costs to survive that.

Run: paramspace reproduce configs/benchmarks/chaos.py
Time: 15 min on 2 cores.
Expect: no other bits after 50 SIGKILLs over 20 points, 10 of them in a save;
  no wrong value after 35 ways of damaging 7 files of a checkpoint; a run with
  checkpoints and metrics every 100 steps is 2.5% slower than the bare loop at
  12 ms a step, where 3% are allowed, but 10% at 1.3 ms: this one check of 42
  does not hold. From the shell to the first step 2.0 s, a dry run of 10,000
  points 2.1 s.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.chaos'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one part; `experiments/benchmarks/chaos/` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.chaos'
  config.scale = scale
  config.seed = 0
  config.part = 'kills'
  config.target = 'configs/benchmarks/chaos_target.py'
  config.target_scale = scale
  config.points = 2 if scale == 'smoke' else 20  # Of the target's sweep.
  config.jobs = 2
  config.kills = 1 if scale == 'smoke' else 50
  config.kills_in_save = 0 if scale == 'smoke' else 10
  config.kills_of_launcher = 0 if scale == 'smoke' else 5
  config.rounds = 3 if scale == 'smoke' else 15
  config.execution = dict(log_every=1)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the parts; smoke scale, the first."""
  others = ('damage', 'full_disk', 'launchers', 'overhead')
  for part in ('kills', *(() if scale == 'smoke' else others)):
    yield {'part': part}


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the storm should leave."""
  if scale == 'smoke':
    return []
  most = {'overhead_lenet': 1.03, 'first_step_s': 4, 'dry_run_vmapped_s': 3}
  return [
    claims.Claim('share_that_holds', None, 1.0, 0.0, 'asked for'),
    # From nothing to the most that is asked for.
    *(
      claims.Claim(name, None, limit / 2, 1.0, f'at most {limit}')
      for name, limit in most.items()
    ),
  ]
