"""The k-th largest on the host is that of a sort, or is not claimed."""

import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.deltas import order


def draw(size, dtype, seed=0):
  rng = np.random.default_rng(seed)
  base = 0.02 * rng.standard_normal(size, np.float32)
  tuned = base + 0.001 * rng.standard_normal(size, np.float32)
  return base.astype(dtype), tuned.astype(dtype)


def bits_of(base, tuned):
  wide = tuned.astype(np.float32) - base.astype(np.float32)
  return np.abs(wide).reshape(-1).view(np.int32)


def check(known, name, bits, k):
  """Compares with a stable sort: of equal entries the first are kept."""
  first = np.argsort(-bits.astype(np.int64), kind='stable')[:k]
  place = np.arange(bits.size)
  threshold, end = known['threshold'], known['ends'][name]
  marked = (bits > threshold) | ((bits == threshold) & (place < end))
  np.testing.assert_array_equal(np.flatnonzero(marked), np.sort(first))
  assert known['kept'][name] == k


@pytest.mark.parametrize('dtype', [np.float32, np.float16, jnp.bfloat16])
@pytest.mark.parametrize('size', [7, 1 << 12, (1 << 17) + 3])
def test_those_that_are_kept_are_the_first_of_a_stable_sort(dtype, size):
  base, tuned = draw(size, dtype)
  bits = bits_of(base, tuned)
  for k in {1, size // 5, size - 1}:
    known = order.of_leaf('x', base, tuned, k)
    if known is None:  # Only where so small that devices may differ.
      assert np.sort(bits)[size - k] < order.LEAST
    else:
      check(known, 'x', bits, k)


def test_a_leaf_of_few_values_is_exact():
  rng = np.random.default_rng(0)
  tuned = rng.choice(np.float32([1, -1, 2, 3]), (1 << 16) + 9)
  base = np.zeros_like(tuned)
  for k in (1, 1 << 12, 1 << 15, 1 << 16):
    check(order.of_leaf('x', base, tuned, k), 'x', bits_of(base, tuned), k)


def test_what_is_rare_and_large_is_found_though_no_sample_has_it():
  tuned = np.full(1 << 18, 1e-3, np.float32)
  tuned[1:4] = 5.0, 7.0, 6.0
  base = np.zeros_like(tuned)
  found = order.of_leaf('x', base, tuned, 2)
  assert found is None or check(found, 'x', bits_of(base, tuned), 2) is None
  check(order.of_leaf('x', base, tuned, 9), 'x', bits_of(base, tuned), 9)


@pytest.mark.parametrize('value', [0.0, 1e-40, 1e-33])
def test_what_devices_may_take_for_zero_is_not_claimed(value):
  tuned = np.full(64, value, np.float32)
  assert order.of_leaf('x', np.zeros(64, np.float32), tuned, 9) is None


def test_a_bracket_that_was_missed_is_known():
  base, tuned = np.zeros(9, np.float32), np.arange(1, 10, dtype=np.float32)
  bits = bits_of(base, tuned)
  within = order.Bracket(int(bits[3]), int(bits[5]), int(bits[4]), 0.5)
  counts = {'x': order.count(base, tuned, within)}
  found = [order.settle(counts, k) is not None for k in range(1, 10)]
  assert found == [False] * 3 + [True] * 3 + [False] * 3


def test_ties_go_to_leaves_by_name_and_then_to_the_first():
  leaves = {
    'b': np.float32([2, 1, 2, 2]),
    'a': np.float32([1, 2, 3]),
    'c': np.float32([2, 2]),
  }
  zeros = {n: np.zeros_like(x) for n, x in leaves.items()}
  within = order.Bracket(0, order.TOP, 0, 0.0)
  counts = {n: order.count(zeros[n], x, within) for n, x in leaves.items()}
  known = order.settle(counts, 4)
  assert known['ties'] == {'a': 1, 'b': 2, 'c': 0}
  assert known['kept'] == {'a': 2, 'b': 2, 'c': 0}
  assert known['ends'] == {'a': 3, 'b': order.UNKNOWN, 'c': 0}
  assert order.end(zeros['b'], leaves['b'], known['threshold'], 2) == 3


def test_a_sample_of_blocks_brackets_the_kth_of_all():
  leaves = [draw(1 << 16, np.float32, seed) for seed in range(4)]
  leaves = [(b, b + (t - b) * (i + 1)) for i, (b, t) in enumerate(leaves)]
  drawn = [order.blocks(*leaf, 16) for leaf in leaves]
  bits = np.sort(np.concatenate([bits_of(*leaf) for leaf in leaves]))
  for share in (0.01, 0.2, 0.9):
    within = order.bracket(drawn, share)
    kth = bits[bits.size - int(share * bits.size)]
    assert within.low < kth < within.high
    inside = (bits >= within.low) & (bits <= within.high)
    assert inside.mean() < 0.35


def test_a_value_that_is_not_finite_is_left_to_others():
  x = np.full(64, np.inf, np.float32)
  order.of_leaf('x', x, x, 9)
