"""A permutation that was planted in noise is found where others miss it."""

import jax
import numpy as np
import pytest

from experiments.benchmarks.matching import peer
from experiments.benchmarks.matching import resnet
from paramspace import matching
from paramspace import symmetry

KEY = jax.random.key(0)


def inner(spec, element, pair):
  element = {n: np.asarray(x, np.int32) for n, x in element.items()}
  moved = symmetry.act(spec, element, pair.b)
  return sum(float(np.vdot(x, moved[n])) for n, x in pair.a.items())


@pytest.mark.parametrize(
  ('width', 'signal', 'least'),
  [(1, 0.5, 1), (1, 0.3, 1), (1, 0.2, 0.99), (4, 0.3, 1), (4, 0.12, 0.99)],
)
def test_what_was_planted_is_found(width, signal, least):
  spec = resnet.spec(width)
  for seed in range(2):
    pair = resnet.planted(spec, signal, seed)
    match = matching.weight_matching(KEY, spec, pair.a, pair.b)
    assert resnet.recovered(match.element, pair.truth)[1] >= least


@pytest.mark.parametrize('signal', [0.5, 0.2])
def test_one_way_outwards_finds_what_stands_out(signal):
  spec = resnet.spec(1)
  pair = resnet.planted(spec, signal, 0)
  match = matching.weight_matching(
    KEY, spec, pair.a, pair.b, starts=('outwards',)
  )
  assert resnet.recovered(match.element, pair.truth) == (1, 1)


@pytest.mark.parametrize('signal', [0.3, 0.0])
def test_the_objective_is_not_below_that_of_git_re_basin(signal):
  spec = resnet.spec(1, stages=1)
  for seed in range(3):
    pair = resnet.planted(spec, signal, seed)
    theirs, _ = peer.weight_matching(KEY, spec, pair.a, pair.b)
    for starts in ('growth', 'identity'), ('outwards',):
      ours = matching.weight_matching(KEY, spec, pair.a, pair.b, starts=starts)
      found = inner(spec, ours.element, pair)
      assert found >= inner(spec, theirs, pair) * (1 - 1e-6)
