"""What matching costs and what it recovers, beside git-re-basin's algorithm.

Pairs are planted: b is the permuted (s a + noise), all of it unit normal.
"""

import json
import os
import subprocess
import sys
from typing import Any

import jax
import ml_collections
import numpy as np

from experiments.benchmarks.matching import once
from paramspace import resolve
from paramspace.launch import errors

MATCHERS = 'ours', 'outwards', 'peer'
PARTS = ('time', 'recovery')


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Measures one width at one signal.

  Args:
    config: See `configs/benchmarks/matching.py`.
    run: A `launch.run.Run`.

  Returns:
    A row for each matcher, and the machine.
  """
  del run
  if config.part not in PARTS:
    raise errors.UsageError(resolve.unknown('part', config.part, PARTS))
  measured = _timed(config) if config.part == 'time' else _recovered(config)
  start = {'part': config.part, 'width': config.width, 'signal': config.signal}
  return {
    'rows': [start | row for row in measured],
    'device': jax.devices()[0].device_kind,
    'cores': os.cpu_count(),
  }


def _timed(config):
  """Yields what each matcher takes, in processes that take turns.

  The quick start alone is for pairs in which there is nothing to find.
  """
  quick = set() if config.signal else {'outwards'}
  calls = {name: [] for name in MATCHERS if name in {'ours', 'peer'} | quick}
  for turn in range(config.rounds):
    for matcher in calls:
      calls[matcher].append(_process(config, matcher, turn))
  for matcher, found in calls.items():
    warm = [call for turn in found for call in turn[1:]]
    every = [call for turn in found for call in turn]
    yield {
      'matcher': matcher,
      **_spread('cold', [turn[0]['seconds'] for turn in found]),
      **_spread('warm', [call['seconds'] for call in warm]),
      **{
        part: float(np.median([call[part] for call in warm]))
        for part in ('products', 'assignment', 'dispatch')
        if part in warm[0]
      },
      **_quality(every, [call for turn in calls['peer'] for call in turn]),
    }


def _process(config, matcher, seed):
  """Returns what a new process measures, with no compiled program kept."""
  call = {
    'matcher': matcher,
    'width': config.width,
    'stages': config.stages,
    'signal': config.signal,
    'seed': seed,
    'warm': config.warm,
  }
  code = (
    f'import json; from {__name__} import once; '
    f'print(json.dumps(once.measure(**{call})))'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    env=os.environ | {'JAX_ENABLE_COMPILATION_CACHE': 'false'},
    check=True,
    stdout=subprocess.PIPE,
    text=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def _recovered(config):
  """Yields what each matcher recovers."""
  given = config.width, config.stages, config.signal, config.seed
  more = config.pairs - 1
  calls = {name: once.measure(name, *given, more) for name in MATCHERS}
  for matcher, found in calls.items():
    seconds = [call['seconds'] for call in found]
    yield {
      'matcher': matcher,
      'pairs': config.pairs,
      'seconds': float(np.median(seconds)),
      **_quality(found, calls['peer']),
    }


def _quality(found, peers):
  """Returns what was recovered, and the objective beside the peer's."""
  of = lambda name, calls: np.array([call[name] for call in calls])
  objective = of('objective', found)
  return {
    'groups': float(of('groups', found).mean()),
    'units': float(of('units', found).mean()),
    'objective': float(objective.mean()),
    'planted': float(of('planted', found).mean()),
    'of_peer': float((objective / of('objective', peers)).min()),
  }


def _spread(name, seconds):
  """Returns the median, the lowest and the highest."""
  return {
    name: float(np.median(seconds)),
    f'{name}_low': float(min(seconds)),
    f'{name}_high': float(max(seconds)),
  }
