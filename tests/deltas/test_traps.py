"""What goes wrong elsewhere where deltas are pruned and put back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas

KEY = jax.random.key(5)


def run(prune, delta):
  return jax.jit(prune)(KEY, delta)


def test_a_drop_is_not_idempotent():
  """Half of what is left is dropped again."""
  delta = {'w': jnp.ones((64, 64))}
  drop = deltas.drop(0.5)
  twice = run(deltas.chain(drop, drop), delta)['w']
  assert abs(float((twice != 0).mean()) - 0.25) < 0.03
  np.testing.assert_array_equal(np.unique(twice), [0, 4])


@pytest.mark.parametrize('scope', ['leaf', 'row', 'global'])
def test_a_trim_of_more_than_a_drop_left_keeps_all_that_it_left(scope):
  """Its threshold is 0, and zeros that it keeps are zeros."""
  delta = {'w': jnp.linspace(0.5, 1.0, 400).reshape(20, 20)}
  drop = deltas.drop(0.95)
  got = run(deltas.chain(drop, deltas.trim(0.5, scope)), delta)
  expected = run(deltas.chain(drop, deltas.keep()), delta)
  np.testing.assert_array_equal(got['w'], expected['w'])


@pytest.mark.parametrize('density', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('scope', ['leaf', 'row', 'global'])
def test_a_leaf_of_one_entry_is_kept_or_not_and_no_error(scope, density):
  for shape in (), (1,), (1, 1):
    delta = {'w': jnp.full(shape, -2.0)}
    got = deltas.trim(density, scope)(KEY, delta)['w']
    assert got.item() == (-2.0 if density == 1 else 0.0)


@pytest.mark.optimized
def test_density_0_gives_zeros_and_1_the_delta_to_the_bit():
  delta = {'w': jnp.array([-0.0, 1e-40, -3.0, 0.0])}
  for make in deltas.trim, deltas.breadcrumbs, lambda p: deltas.drop(1 - p):
    gamma = {'gamma': 0.0} if make is deltas.breadcrumbs else {}
    none, all_ = (make(p, **gamma)(KEY, delta)['w'] for p in (0.0, 1.0))
    assert not none.any()
    np.testing.assert_array_equal(all_.view(jnp.int32), delta['w'].view('i4'))


def test_the_delta_of_float16_is_float32_and_does_not_overflow_in_a_drop():
  base = {'w': jnp.zeros(4000, jnp.float16)}
  tuned = {'w': jnp.full(4000, 100.0, jnp.float16)}
  dropped = run(deltas.drop(0.999), deltas.subtract(tuned, base))
  assert float(dropped['w'].max()) == pytest.approx(1e5)
  with pytest.raises(ValueError, match="'w' is too large for float16"):
    deltas.add(base, dropped)


def test_batch_statistics_may_be_left_as_they_are():
  delta = {'bn': {'mean': jnp.ones(8), 'var': jnp.ones(8)}, 'w': jnp.ones(8)}
  statistic = r'.*/(mean|var)'
  prune = deltas.where(statistic, deltas.keep(), deltas.drop(1.0))
  got = run(prune, delta)
  np.testing.assert_array_equal(got['bn']['var'], 1.0)
  assert not got['w'].any()


def test_what_is_no_leaf_stays_in_its_place():
  """None is no leaf, and lists, tuples and NamedTuples come back."""
  params = [(jnp.ones(3), None), deltas.Loss(jnp.zeros(2), jnp.ones(2))]
  delta = deltas.subtract(params, params)
  out = deltas.add(params, run(deltas.trim(0.5), delta))
  assert jax.tree.structure(out) == jax.tree.structure(params)
  assert out[0][1] is None and isinstance(out[1], deltas.Loss)
