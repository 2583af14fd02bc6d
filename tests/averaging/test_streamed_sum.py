"""Streamed sums."""

import pathlib
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import averaging
from paramspace.files import safetensors


def trees(count=5, dtype=jnp.float32):
  for i in range(count):
    keys = jax.random.split(jax.random.key(i))
    yield {
      'w': jax.random.normal(keys[0], (32, 8), dtype),
      'b': jax.random.normal(keys[1], (8,), dtype),
      'step': jnp.array(7),
      'key': jax.random.key(1),
    }


WEIGHTS = [0.5, -0.2, 0.4, 0.1, 0.2]


def test_it_is_the_weighted_sum():
  got = averaging.combine(WEIGHTS, trees())
  for name in 'w', 'b':
    rows = np.stack([np.asarray(t[name], np.float64) for t in trees()])
    np.testing.assert_allclose(
      got[name], np.tensordot(WEIGHTS, rows, 1), atol=1e-6
    )
  assert got['step'] == 7 and got['key'] == jax.random.key(1)


def test_the_order_does_not_matter():
  got = averaging.combine(WEIGHTS, trees())
  back = averaging.combine(WEIGHTS[::-1], list(trees())[::-1])
  chex.assert_trees_all_close(
    {n: got[n] for n in 'wb'}, {n: back[n] for n in 'wb'}, atol=1e-6
  )


def test_bfloat16_trees_are_summed_in_float32_and_cast_once():
  got = averaging.combine(WEIGHTS, trees(dtype=jnp.bfloat16))
  rows = [np.asarray(t['w'], np.float64) for t in trees(dtype=jnp.bfloat16)]
  expected = np.tensordot(WEIGHTS, np.stack(rows), 1)
  assert got['w'].dtype == jnp.bfloat16
  half = np.float64(2.0**-8) * np.abs(expected)  # Half a unit of bfloat16.
  assert (np.abs(np.asarray(got['w'], np.float64) - expected) <= half).all()


def test_numpy_trees_and_loaders_are_taken_too():
  host = [jax.tree.map(np.asarray, {n: t[n] for n in 'wb'}) for t in trees()]
  loaders = [lambda t=t: t for t in host]
  chex.assert_trees_all_equal(
    averaging.combine(WEIGHTS, host), averaging.combine(WEIGHTS, loaders)
  )


def test_a_tree_that_does_not_count_is_not_loaded():
  def broken():
    raise AssertionError

  tree = next(trees())
  got = averaging.combine([0.0, 1.0, 0.0], [broken, lambda: tree, broken])
  chex.assert_trees_all_equal(got['w'], tree['w'])


def test_leaves_stay_where_they_are():
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)
  split = jax.NamedSharding(mesh, jax.P('devices'))
  place = lambda t: {n: jax.device_put(t[n], split) for n in 'wb'}
  got = averaging.combine(WEIGHTS, map(place, trees()))
  want = averaging.combine(WEIGHTS, ({n: t[n] for n in 'wb'} for t in trees()))
  for name in 'w', 'b':
    assert got[name].sharding.is_equivalent_to(split, got[name].ndim)
  chex.assert_trees_all_close(got, want, rtol=1e-6)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'w': jnp.zeros((8, 32))}, r"tree 1 .*'w' should be float32\[32, 8\]"),
    ({'b': jnp.zeros(8, jnp.bfloat16)}, r"'b' should be float32\[8\]"),
    ({'more': jnp.zeros(1)}, r"unexpected: \['more'\]"),
    ({'step': jnp.array(8)}, "tree 1 .*'step' is not floating-point"),
    ({'key': jax.random.key(2)}, "tree 1 .*'key' is not floating-point"),
  ],
)
def test_trees_that_differ_are_refused(change, message):
  first, second = trees(2)
  with pytest.raises(ValueError, match=message):
    averaging.combine([0.5, 0.5], [first, second | change])


@pytest.mark.parametrize(
  ('weights', 'message'),
  [
    ([0.5] * 4, 'more trees than the 4 weights'),
    ([0.5] * 6, '6 weights, but only 5 trees'),
    ([], 'one finite number or more'),
    ([np.nan] * 5, 'one finite number or more'),
    ([0.0] * 5, 'All weights are 0'),
  ],
)
def test_there_is_a_finite_weight_for_every_tree(weights, message):
  with pytest.raises(ValueError, match=message):
    averaging.combine(weights, trees())


MEASURE = """
import pathlib, sys
import numpy as np
from paramspace import averaging
from paramspace.files import safetensors

def resident(field):
  lines = pathlib.Path('/proc/self/status').read_text().splitlines()
  (line,) = [line for line in lines if line.startswith(field)]
  return int(line.split()[1]) / 1024  # MB

loaders = [lambda p=p: safetensors.load(p) for p in sys.argv[2:]]
small = {'w': np.ones((64, 64), np.float32)}
averaging.combine([1.0, 1.0], [small, small])
pathlib.Path('/proc/self/clear_refs').write_text('5')  # Forgets the peak.
before = resident('VmRSS')
mean = averaging.combine([1 / 16] * 16, loaders)
after = resident('VmHWM')
assert all(abs(float(x[0, 0]) - 0.5) < 1e-6 for x in mean.values())
print((after - before) / float(sys.argv[1]))
"""


@pytest.mark.skipif(
  not pathlib.Path('/proc/self/clear_refs').exists(), reason='needs Linux'
)
def test_sixteen_checkpoints_take_the_memory_of_two(tmp_path):
  """Of 250 MB each, in a process of its own; two files under sixteen names."""
  megabytes, leaves = 250, 5  # Of less than 32 MB malloc keeps what is freed.
  paths = [tmp_path / f'{i}.safetensors' for i in range(16)]
  for i, path in enumerate(paths):
    if i < 2:
      row = np.full((megabytes // leaves, 2**18), float(i), np.float32)
      safetensors.save(path, {f'w{j}': row for j in range(leaves)})
    else:
      path.hardlink_to(paths[i % 2])
  ran = subprocess.run(
    [sys.executable, '-c', MEASURE, str(megabytes), *map(str, paths)],
    capture_output=True,
    text=True,
    check=False,
  )
  for path in paths:
    path.unlink()
  assert not ran.returncode, ran.stderr
  assert 1.9 < float(ran.stdout) < 2 + 2.2 / leaves  # And two leaves.
