r"""What matching costs and recovers, beside git-re-basin's algorithm.

The peer is git-re-basin's weight matching, written anew from its description;
its own code does not run on this JAX. Pairs are planted: b is the permuted
(s a + noise), of git-re-basin's ResNet-20 leaves with unit normal entries.

Run: paramspace reproduce configs/benchmarks/matching.py
Time: about half an hour on 2 cores, most of it the peer's.
Expect: at most a third of the peer's time, cold and warm, on pairs that have
  something in common; every group at s = 0.5 and 0.3, and at widths 4 and 8
  down to 0.15; at width 1 four of five groups at 0.15 and none at 0.1. On pairs
  that have nothing in common an objective that is no lower, and warm 0.9, 2.4
  and 4.8 times the peer's time at widths 1, 4 and 8, most of which goes to
  looking for what is not there; by the start 'outwards' alone 0.26, 0.31 and
  0.31 times.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import claims

FIGURE = 'experiments.figures.matching_speed'

WIDTHS = (1, 4, 8, 16)  # Of the times, of pairs alike.
UNLIKE = (1, 4, 8)  # Of the times, of pairs that have nothing in common.
SIGNALS = (0.5, 0.3, 0.2, 0.15, 0.12, 0.1)  # Of the recovery, widths 1, 4, 8.
PAIRS = {1: 20, 4: 10, 8: 5}
ASKED = 1 / 3  # Of the peer's time.


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/benchmarks/matching/` reads it."""
  config = ml_collections.ConfigDict()
  config.study = 'experiments.benchmarks.matching'
  config.scale = scale
  config.part = 'time'  # Or 'recovery'.
  config.width = 1
  config.stages = 1 if scale == 'smoke' else 3
  config.signal = 0.5  # s; 0 for models that have nothing in common.
  config.rounds = 1 if scale == 'smoke' else 3  # Processes, for the time.
  config.warm = 1 if scale == 'smoke' else 3  # Calls after the first of each.
  config.pairs = 1  # For the recovery.
  config.seed = 0
  config.execution = dict(group_size=0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the times, of pairs alike and not, and the recovery."""
  smoke = scale == 'smoke'
  for width in (1,) if smoke else WIDTHS:
    yield {'part': 'time', 'width': width, 'signal': 0.5}
  for width in () if smoke else UNLIKE:
    yield {'part': 'time', 'width': width, 'signal': 0.0}
  for width, pairs in ({1: 1} if smoke else PAIRS).items():
    for signal in (0.5,) if smoke else SIGNALS:
      yield {
        'part': 'recovery',
        'width': width,
        'signal': signal,
        'pairs': pairs,
      }


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what is asked for; nothing where it says nothing."""
  if scale == 'smoke':
    return []
  times = [
    claims.Claim(f'{width}/{kind}/time', None, ASKED / 2, 1.0, 'a third')
    for width in WIDTHS
    for kind in ('cold', 'warm')
  ]
  recovery = [
    claims.Claim(f'{width}/{signal}/groups', None, 1.0, 0.01, '99%')
    for width in PAIRS
    for signal in (0.5, 0.3)
  ]
  better = claims.Claim('of_peer', None, 51.0, 50 / 51, 'never lower')
  return [*times, *recovery, better]
