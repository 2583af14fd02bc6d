"""The k largest magnitudes against a sort in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas
from paramspace import trees
from paramspace.deltas import _rounds
from paramspace.deltas import _select

KEY = jax.random.key(0)


def normal(seed, shape, dtype=np.float32):
  x = np.random.default_rng(seed).normal(size=shape).astype(dtype)
  return x.astype(np.float32)


def sorted_marks(magnitudes, count):
  """Marks the largest of a vector; of equal ones, those that come first."""
  order = np.argsort(-magnitudes.astype(np.float64), kind='stable')
  marked = np.zeros(len(magnitudes), bool)
  marked[order[:count]] = True
  return marked


TALL = (200, 300)  # Counted by histograms; smaller ones are bisected.
LEAVES = {
  'normal': normal(0, TALL),
  'many ties': normal(1, TALL, jnp.bfloat16),
  'few values': np.sign(normal(2, TALL)),
  'half zeros': np.maximum(normal(3, TALL), 0),
  'all equal': np.full(TALL, -0.5, np.float32),
  'one axis': normal(4, 40_000),
  'three axes': normal(5, (40, 30, 50)),
  'small': normal(6, (3, 5)),
  'small, many ties': np.round(normal(7, (3, 5))),
  'denormals': np.float32([1e-45, -3e-45, 2e-39, 0, -1e-40, 1e-38]),
  'zeros of both signs': np.float32([0.0, -0.0, 0.0, -0.0, 1.0, -0.0]),
  'huge': np.float32([3e38, -3.4e38, 1, 1e-30, 0, 2]),
  'one': np.float32([2.0]),
  'scalar': np.float32(-2.0),
}
every_leaf = pytest.mark.parametrize('name', LEAVES)


@functools.partial(jax.jit, static_argnums=(1, 2))
def marks(x, count, scope):
  return _select.largest(_select.bits(x), count, scope)


@every_leaf
def test_the_largest_of_a_leaf_are_those_of_a_stable_sort(name):
  x = LEAVES[name]
  few = name.endswith('axis') or name.endswith('axes')
  for count in {x.size // 3} if few else {0, 1, x.size // 3, x.size}:
    expected = sorted_marks(np.abs(x).ravel(), count).reshape(x.shape)
    np.testing.assert_array_equal(
      marks(x, count, 'leaf'), expected, f'{count=}'
    )


@every_leaf
def test_the_largest_of_a_row_are_those_of_a_stable_sort(name):
  x = LEAVES[name]
  if name == 'one axis':
    x = x[:6]
  rows = np.abs(x).reshape(-1, x.shape[-1] if x.ndim else 1)
  for count in {0, 1, rows.shape[1] // 3, rows.shape[1]}:
    expected = np.stack([sorted_marks(row, count) for row in rows])
    np.testing.assert_array_equal(
      marks(x, count, 'row'), expected.reshape(x.shape), f'{count=}'
    )


def tree():
  """Leaves of different scales; ties lie across them."""
  return {
    'b': normal(0, TALL),
    'a': normal(2, (40, 50), jnp.bfloat16),
    'c': normal(2, (40, 50), jnp.bfloat16)[::-1].copy(),
    'scalar': np.float32(0.5),
  }


def flat(tree):
  leaves = jax.tree.leaves(tree)
  return np.concatenate([np.asarray(x, np.float32).ravel() for x in leaves])


@pytest.mark.parametrize('density', [0.0, 0.2, 0.99])
def test_the_largest_of_a_tree_are_those_of_its_sorted_concatenation(density):
  delta = tree()
  vector = flat(delta)  # In order of names.
  marked = sorted_marks(np.abs(vector), int(density * len(vector)))
  got = jax.jit(deltas.trim(density, 'global'))(KEY, delta)
  np.testing.assert_array_equal(flat(got), np.where(marked, vector, 0))


def test_ties_go_to_leaves_in_order_of_names_and_then_to_the_first():
  delta = {'b': jnp.ones(3), 'a10': jnp.ones(2), 'a9': -jnp.ones(2)}
  got = jax.jit(deltas.trim(4 / 7, 'global'))(KEY, delta)
  np.testing.assert_array_equal(got['a10'], [1, 1])
  np.testing.assert_array_equal(got['a9'], [-1, -1])
  np.testing.assert_array_equal(got['b'], [0, 0, 0])
  got = jax.jit(deltas.trim(5 / 7, 'global'))(KEY, delta)
  np.testing.assert_array_equal(got['b'], [1, 0, 0])


@pytest.mark.optimized
def test_rounds_by_hand_on_parts_of_leaves_give_the_same_bits():
  """Counts are merged on the host, as int64, in any order."""
  prune = deltas.chain(deltas.drop(0.5), deltas.trim(0.1, 'global'))
  delta = {n: jnp.asarray(tree()[n]) for n in ('a', 'c')}
  expected = jax.jit(prune)(KEY, delta)
  known = {}
  for look in prune.rounds:
    seen = None
    for name, x in reversed(delta.items()):
      observe = jax.jit(look.observe, static_argnums=2)
      one = observe(known, trees.key_for(KEY, name), name, x)
      one = jax.tree.map(lambda x: np.asarray(x, np.int64), one)
      seen = one if seen is None else look.merge(seen, one)
    known = look.conclude(known, seen)
  for name, x in delta.items():
    key = trees.key_for(KEY, name)
    got = jax.jit(prune.apply, static_argnums=2)(known, key, name, x)
    np.testing.assert_array_equal(got, expected[name])


def test_counts_of_more_than_an_int32_are_exact_on_the_host():
  first, second = _rounds.kth(lambda n: 3 * n // 4)
  x = jnp.array([4.0, 3.0, 2.0, 1.0])
  times = 1 << 31

  def repeated(seen, known):
    wide = jax.tree.map(lambda x: np.asarray(x, np.int64) * times, seen)
    return wide

  known = first.conclude({}, repeated(first.observe({}, KEY, 'x', x), {}))
  seen = repeated(second.observe(known, KEY, 'x', x), known)
  known = second.conclude(known, seen)
  assert int(known['threshold']) == int(_select.bits(jnp.float32(2.0)))
  assert int(known['ties']['x']) == times


def test_parts_of_a_leaf_are_merged_and_other_leaves_put_beside():
  _, second = _rounds.kth(lambda n: n)
  merged = second.merge({'a': 1, 'b': 2}, {'b': 3, 'c': 4})
  assert merged == {'a': 1, 'b': 5, 'c': 4}


def test_a_tree_that_int32_cannot_count_is_refused():
  shape = jax.ShapeDtypeStruct((1 << 15, 1 << 15), jnp.float32)
  small = {name: shape for name in 'a'}
  large = {name: shape for name in 'ab'}
  run = lambda scope, delta: jax.eval_shape(
    lambda d: deltas.trim(0.5, scope)(KEY, d), delta
  )
  run('global', small)
  run('leaf', large)
  with pytest.raises(ValueError, match=r"2147483648 .* scope='leaf'"):
    run('global', large)
  huge = {'w': jax.ShapeDtypeStruct((1 << 31,), jnp.float32)}
  with pytest.raises(ValueError, match=r"Leaf 'w' has 2147483648 .*split"):
    run('leaf', huge)
