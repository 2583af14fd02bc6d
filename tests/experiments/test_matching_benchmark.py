"""What matching costs, at a size where that says nothing."""

import pathlib

import jax
import numpy as np
import pytest
from matplotlib import figure

from experiments.benchmarks import matching as benchmark
from experiments.benchmarks.matching import peer
from experiments.benchmarks.matching import resnet
from experiments.figures import matching_speed
from paramspace import symmetry
from paramspace.launch import config as configs
from paramspace.launch import errors

ROOT = pathlib.Path(__file__).parents[2]
MODULE = configs.load(ROOT / 'configs' / 'benchmarks' / 'matching.py')


@pytest.fixture(scope='module')
def results():
  found = []
  for overrides in MODULE.sweep('smoke'):
    config = MODULE.get_config('smoke')
    config.update_from_flattened_dict(overrides)
    result = benchmark.run(config.lock(), None)
    flat = configs.flatten(config)
    found.append({'status': 'done', 'config': flat, 'result': result})
  return found


def test_every_point_is_measured_beside_the_peer(results):
  summary = matching_speed.summary(results)
  assert summary['1/0.5/groups'] == 1
  assert summary['1/cold/time'] > 0
  assert summary['of_peer'] > 0.99
  axes = figure.Figure().subplots()
  matching_speed.draw(matching_speed.table(results), axes)
  assert axes.get_legend_handles_labels()[1][0] == 'width 1'


def test_what_is_claimed_is_swept():
  points = list(MODULE.sweep())
  swept = {(p['width'], p['signal']) for p in points if p['part'] == 'recovery'}
  for claim in MODULE.claim():
    width, _, rest = claim.quantity.partition('/')
    if rest.endswith('/groups'):
      assert (int(width), float(rest.split('/')[0])) in swept
  assert MODULE.claim('smoke') == []


def test_a_part_that_there_is_not_is_refused():
  config = MODULE.get_config('smoke')
  config.part = 'timing'
  with pytest.raises(errors.UsageError, match="'time'"):
    benchmark.run(config, None)


def test_the_specification_has_the_twelve_groups():
  spec = resnet.spec(1)
  assert len(spec.groups) == 12
  sizes = sorted(group.size for group in spec.groups.values())
  assert sizes == [16] * 4 + [32] * 4 + [64] * 4


def test_the_peer_recovers_a_permuted_copy_and_finds_its_own_optimum():
  spec = resnet.spec(1, stages=1)
  pair = resnet.planted(spec, 0.5, 0)
  g = symmetry.random(jax.random.key(0), spec)
  moved = symmetry.act(spec, g, pair.a)
  element, sweeps = peer.weight_matching(jax.random.key(1), spec, pair.a, moved)
  back = symmetry.inverse(spec, g)
  assert all((np.asarray(element[n]) == x).all() for n, x in back.items())
  assert sweeps < 10
