"""Leaves over several devices: the bits of one."""

import jax
import numpy as np
import pytest

from paramspace import merging
from paramspace import trees
from paramspace.files import disk
from paramspace.files import lazy
from paramspace.merging import _devices

pytestmark = pytest.mark.optimized  # What is compared are bits.

SHAPES = {'a/kernel': (16, 24), 'b/kernel': (16, 24), 'c/kernel': (16, 24)}


def draw(seed):
  rng = np.random.default_rng(seed)
  return {n: rng.standard_normal(s, np.float32) for n, s in SHAPES.items()}


MODELS = {'x': trees.nested(draw(1)), 'y': trees.nested(draw(2))}
BASE = trees.nested(draw(0))


def test_devices_change_nothing_to_the_bit(tmp_path):
  recipe = merging.ties(0.4, scope='global')
  merging.merge_files(
    BASE, MODELS, tmp_path, recipe, devices=jax.devices()[2:4]
  )
  tree = lazy.open(tmp_path)
  for name, x in trees.named(merging.merge(BASE, MODELS, recipe)).items():
    assert tree.read(name).tobytes() == np.asarray(x).tobytes(), name


def test_leaves_go_to_the_devices_in_turn():
  devices = jax.devices()[:2]
  place = _devices.placing(disk.held(BASE).leaves, 2, devices)
  found = [place(n, np.ones(SHAPES[n], np.float32)).devices() for n in SHAPES]
  assert found == [{devices[0]}, {devices[1]}, {devices[0]}]


def test_a_leaf_that_is_too_large_is_split_over_all():
  shape = (512, 64)
  leaves = disk.held({'w': np.ones(shape, np.float32)}).leaves
  place = _devices.placing(leaves, 2, jax.devices(), memory=1 << 20)
  found = place('w', np.ones(shape, np.float32))
  assert {s.data.shape for s in found.addressable_shards} == {(64, 64)}
  fits = _devices.placing(leaves, 2, jax.devices(), memory=1 << 21)
  assert len(fits('w', np.ones(shape, np.float32)).devices()) == 1


def test_a_merge_of_leaves_that_are_split_is_the_same(tmp_path):
  draw = lambda seed: {'w': np.random.default_rng(seed).normal(size=(512, 64))}
  base, *tuned = (
    {n: x.astype(np.float32) for n, x in draw(seed).items()}
    for seed in range(3)
  )
  models, recipe = dict(zip('xy', tuned, strict=True)), merging.ties(0.4)
  memory = 4 * 3 * base['w'].size  # Of three leaves, and nothing else.
  merging.merge_files(
    base,
    models,
    tmp_path / 'out',
    recipe,
    devices=jax.devices(),
    memory=memory,
  )
  found = lazy.open(tmp_path / 'out').read('w')
  wanted = merging.merge(base, models, recipe)['w']
  np.testing.assert_array_equal(found, wanted)


def test_the_devices_of_one_cpu_are_not_used_unless_given():
  assert _devices.chosen(None) == ()
  assert _devices.chosen(jax.devices()) == tuple(jax.devices())
