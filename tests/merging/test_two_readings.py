"""Global TIES on disk: two readings, a third only where a guess was wrong."""

import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging
from paramspace.files import lazy

pytestmark = pytest.mark.optimized  # What is compared are bits.

RECIPE = merging.ties(0.25, scale=1.3)


def draw(seed, shapes, size):
  rng = np.random.default_rng(seed)
  normal = lambda shape: np.float32(size * rng.standard_normal(shape))
  return {name: normal(shape) for name, shape in shapes.items()}


def models_of(shapes, dtype=np.float32):
  base = draw(0, shapes, 0.1)
  moved = {n: draw(i + 1, shapes, 0.01) for i, n in enumerate('abc')}
  tuned = {
    n: {k: (base[k] + x[k]).astype(dtype) for k in shapes}
    for n, x in moved.items()
  }
  return {k: x.astype(dtype) for k, x in base.items()}, tuned


def merged(tmp_path, base, tuned, recipe=RECIPE):
  """Merges; returns how often all was read, and how often was planned."""
  read = []
  merging.merge_files(
    base, tuned, tmp_path / 'out', recipe, progress=read.append
  )
  found = lazy.open(tmp_path / 'out')
  wanted = merging.merge(base, tuned, recipe)
  for name, x in wanted.items():
    assert found.read(name).tobytes() == np.asarray(x).tobytes(), name
  once = sum(x.nbytes for x in base.values()) * (len(tuned) + 1)
  return sum(read) / once, merging.plan_files(base, tuned, recipe)


def test_all_is_read_twice_and_a_sample_before(tmp_path):
  shapes = {'a': (8, 512), 'b': (8, 512), 'c': (8,)}
  base, tuned = models_of(shapes)
  times, plan = merged(tmp_path, base, tuned)
  assert times == plan.passes == 2
  once = sum(x.nbytes for x in base.values()) * 4
  assert plan.sampled == 8 * 1024 * 4 * 4
  assert plan.read == 2 * once + plan.sampled


def test_many_ties_over_several_leaves_are_exact(tmp_path):
  shapes = {'z': (8, 512), 'b': (8, 512), 'a': (8,)}
  base, tuned = models_of(shapes, jnp.bfloat16)
  coarse = lambda x: (np.round(x.astype(np.float32) * 64) / 64).astype(x.dtype)
  base = {k: coarse(x) for k, x in base.items()}
  tuned = {n: {k: coarse(x) for k, x in t.items()} for n, t in tuned.items()}
  times, _ = merged(tmp_path, base, tuned)
  assert times <= 3


def test_a_kth_that_no_sample_has_seen_costs_more_readings(tmp_path):
  shapes = {'a': (2, 1024), 'b': (1000,)}  # Blocks lie only in the first.
  base, tuned = models_of(shapes)
  tuned = {n: x | {'b': base['b'] + 9} for n, x in tuned.items()}
  times, plan = merged(tmp_path, base, tuned)
  assert plan.passes == 2
  assert times == 5  # The look that failed, three rounds, and the merge.


def test_leaves_whose_sign_was_guessed_wrong_are_merged_again(tmp_path):
  # The many small entries are up and trimmed, the few that stay are down.
  small, large = np.full(24, 1e-3, np.float32), np.full(5, -1.0, np.float32)
  base = {n: np.zeros(k, np.float32) for n, k in (('a', 29), ('b', 3))}
  ups = {'a': np.concatenate([small, large]), 'b': np.float32([1, 0, 1])}
  downs = {'a': ups['a'], 'b': np.float32([-1, 0, 1])}
  tuned = {'m': ups, 'n': downs}
  recipe = merging.ties(0.25)
  times, _ = merged(tmp_path, base, tuned, recipe)
  assert 2 < times < 2.2  # 'b' alone is merged again: there they cancel.
  assert lazy.open(tmp_path / 'out').read('b')[0] == -1


class Stopped(Exception):
  """What a reader of the progress raises."""


def test_a_merge_that_goes_on_does_not_look_again(tmp_path):
  shapes = {'a': (8, 512), 'b': (8, 512), 'c': (8,)}
  base, tuned = models_of(shapes)
  once = sum(x.nbytes for x in base.values()) * 4
  read = []

  def stop(count):
    read.append(count)
    if sum(read) > once:
      raise Stopped

  with pytest.raises(Stopped):
    merging.merge_files(base, tuned, tmp_path / 'out', RECIPE, progress=stop)
  times, _ = merged(tmp_path, base, tuned)
  assert times <= 1
