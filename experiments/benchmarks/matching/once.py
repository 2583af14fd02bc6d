"""Calls of one matcher; in a process of its own, the first is a cold one."""

import time

import jax
import numpy as np

from experiments.benchmarks.matching import peer
from experiments.benchmarks.matching import resnet
from paramspace import matching
from paramspace import symmetry

OURS = {'ours': ('growth', 'identity'), 'outwards': ('outwards',)}


def measure(
  matcher: str,
  width: int,
  stages: int,
  signal: float,
  seed: int,
  warm: int,
) -> list[dict[str, float]]:
  """Times a matcher.

  Args:
    matcher: 'ours', 'outwards', which is ours by that start alone, or 'peer'.
    width: Of the ResNet-20.
    stages: Of it.
    signal: Of the planted pair.
    seed: Of the pair.
    warm: How many calls there are after the first, each on a new pair.

  Returns:
    For each call its `seconds`, of ours also what they went to; the objective
    that was found and the planted one; and the shares recovered.
  """
  spec, key = resnet.spec(width, stages), jax.random.key(seed)
  found = []
  for call in range(warm + 1):
    pair = resnet.planted(spec, signal, 1000 * seed + call)
    jax.block_until_ready((pair.a, pair.b))
    began = time.perf_counter()
    if matcher in OURS:
      match = matching.weight_matching(
        key, spec, pair.a, pair.b, starts=OURS[matcher]
      )
      element, parts = match.element, dict(match.seconds)
    else:
      element, parts = peer.weight_matching(key, spec, pair.a, pair.b)[0], {}
    jax.block_until_ready(element)
    seconds = time.perf_counter() - began
    groups, units = resnet.recovered(element, pair.truth)
    row = {
      'seconds': seconds,
      'objective': _inner(spec, element, pair),
      'planted': _inner(spec, pair.truth, pair),
      'groups': groups,
      'units': units,
    }
    found.append(parts | row)
  return found


def _inner(spec, element, pair):
  """Returns what the matchers maximise, in float64."""
  element = {name: np.asarray(x, np.int32) for name, x in element.items()}
  moved = symmetry.act(spec, element, pair.b)
  flat = lambda x: np.asarray(x, np.float64).ravel()
  return sum(float(flat(x) @ flat(moved[n])) for n, x in pair.a.items())
