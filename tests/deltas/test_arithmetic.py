import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas

KEY = jax.random.key(3)
lost = jax.jit(deltas.lost)


def normal(seed, shape, dtype=jnp.float32, scale=1.0):
  draw = jax.random.normal(jax.random.key(seed), shape) * scale
  return draw.astype(dtype)


def pair(dtype):
  base = {'w': normal(0, (40, 8), dtype), 'b': normal(1, 8, dtype)}
  tuned = jax.tree.map(lambda x: x + normal(2, x.shape, dtype) / 16, base)
  carried = {'step': jnp.array(3), 'key': jax.random.key(1)}
  return tuned | carried, base | carried


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_base_and_the_delta_give_the_tuned_model_back(dtype):
  tuned, base = pair(dtype)
  delta = jax.jit(deltas.subtract)(tuned, base)
  assert delta['w'].dtype == jnp.float32
  exact = np.float64(tuned['w']) - np.float64(base['w'])
  np.testing.assert_array_equal(delta['w'], exact.astype(np.float32))
  got = jax.jit(deltas.add)(base, delta)
  chex.assert_trees_all_equal_dtypes(got, tuned)
  if dtype == jnp.float32:  # Rounded twice.
    chex.assert_trees_all_close(got['w'], tuned['w'], atol=2e-7)
  else:
    chex.assert_trees_all_equal(got, tuned)


@pytest.mark.optimized
@pytest.mark.parametrize('rounding', ['nearest', 'stochastic'])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16, jnp.float16])
def test_without_a_delta_the_base_stays_to_the_bit(dtype, rounding):
  key = KEY if rounding == 'stochastic' else None
  smallest = jnp.finfo(dtype).smallest_normal
  base = {'w': jnp.array([-0.0, 0.0, 1.5, -2.0, smallest], dtype)}
  for zero in 0.0, -0.0:
    delta = {'w': jnp.full(5, zero, jnp.float32)}
    out = deltas.add(base, delta, -3.0, rounding=rounding, key=key)['w']
    np.testing.assert_array_equal(out, base['w'])
    np.testing.assert_array_equal(jnp.signbit(out), jnp.signbit(base['w']))


def test_the_sum_is_rounded_once():
  base = {'w': jnp.array([1.0, 256.0], jnp.bfloat16)}
  delta = {'w': jnp.array([2.0**-8 + 2.0**-20, 3.0])}
  got = deltas.add(base, delta)['w']
  np.testing.assert_array_equal(got.astype(jnp.float32), [1 + 2.0**-7, 260.0])
  wide = deltas.add(base, delta, 0.5, out_dtype=jnp.float32)['w']
  np.testing.assert_array_equal(wide, [1 + 2.0**-9 + 2.0**-21, 257.5])


def test_a_wider_delta_is_added_in_its_own_dtype():
  with jax.enable_x64(True):
    base, delta = {'w': jnp.ones(1, jnp.float32)}, {'w': jnp.full(1, 1e-9)}
    assert delta['w'].dtype == jnp.float64
    out = deltas.add(base, delta, out_dtype=jnp.float64)['w']
    assert float(out[0] - 1) == pytest.approx(1e-9, rel=1e-6)
    assert float(deltas.lost(base, delta).total.unchanged) == 1
    pruned = deltas.trim(1.0, 'global')(KEY, delta)['w']
    assert pruned.dtype == jnp.float64


VALUES = {
  'between': 1.003,
  'negative': -0.7003,
  'small': 3.3e-6,  # Subnormal in float16.
  'smaller than all': 1.1e-8,
  'below the smallest normal': 6.1035e-05,
}


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_stochastic_rounding_is_to_a_neighbour_and_unbiased(dtype):
  n = 1 << 16
  values = jnp.array(list(VALUES.values()))
  base = {'w': jnp.zeros((len(VALUES), n), dtype)}
  delta = {'w': jnp.repeat(values[:, None], n, axis=1)}
  out = deltas.add(base, delta, rounding='stochastic', key=KEY)['w']
  for name, row in zip(VALUES, np.asarray(out, np.float64), strict=True):
    value = np.float64(np.float32(VALUES[name]))
    low, high = np.unique(row)
    assert low < value < high, name
    assert abs(row.mean() - value) < 4 * (high - low) / 2 / np.sqrt(n), name
    toward = jnp.nextafter(dtype(low), dtype(np.inf))
    assert np.float64(toward) == high, name


def test_a_number_that_can_be_represented_is_not_rounded():
  base = {'w': normal(0, (64, 3), jnp.bfloat16)}
  delta = {'w': jnp.full((64, 3), 0.0)}
  got = deltas.add(base, delta, rounding='stochastic', key=KEY)
  chex.assert_trees_all_equal(got, base)


@pytest.mark.parametrize(
  ('size', 'unchanged', 'error'),
  [(5e-5, 0.48, 0.64), (2e-4, 0.20, 0.27), (1e-3, 0.04, 0.055)],
)
def test_what_bfloat16_loses_of_an_average_of_three(size, unchanged, error):
  """Half of the entries of a small delta, whatever the arithmetic."""
  shape = (512, 256)
  base = {'w': normal(0, shape, jnp.bfloat16, 0.02)}
  move = lambda k: normal(k, shape, jnp.float32, size)
  tuned = [
    {'w': (base['w'].astype(jnp.float32) + move(k)).astype(jnp.bfloat16)}
    for k in (1, 2, 3)
  ]
  each = [deltas.subtract(t, base)['w'] for t in tuned]
  delta = {'w': sum(each) / 3}
  report = lost(base, delta)
  assert abs(float(report.total.unchanged) - unchanged) < 0.01
  assert abs(float(report.total.error) - error) < 0.01
  wide = jax.jit(lambda b, d: deltas.lost(b, d, out_dtype=jnp.float32))
  nothing = wide(base, delta)
  assert float(nothing.total.unchanged) == 0
  assert float(nothing.total.error) < 1e-3


def test_losses_are_told_by_leaf():
  base = {'a': jnp.ones(4, jnp.bfloat16), 'b': jnp.ones(2, jnp.bfloat16)}
  delta = {'a': jnp.array([1e-4, 1, 0, 0]), 'b': jnp.zeros(2)}
  report = deltas.lost(base, delta)
  assert float(report.leaves['a'].unchanged) == 0.5
  assert float(report.leaves['b'].unchanged) == 0
  assert float(report.leaves['b'].error) == 0
  assert float(report.total.unchanged) == 0.5


def test_stochastic_rounding_keeps_small_deltas_on_average():
  base = {'w': jnp.full((1 << 16,), 1.0, jnp.bfloat16)}
  delta = {'w': jnp.full((1 << 16,), 1e-4)}
  assert float(deltas.lost(base, delta).total.unchanged) == 1
  got = deltas.add(base, delta, rounding='stochastic', key=KEY)
  kept = deltas.subtract(got, base)['w'].mean()
  np.testing.assert_allclose(kept, 1e-4, rtol=0.15)


def test_a_sum_has_the_gradient_of_a_sum():
  base, delta = {'w': jnp.ones(3)}, {'w': jnp.array([0.0, 1.0, 2.0])}
  total = lambda d, s: deltas.add(base, {'w': d}, s)['w'].sum()
  by_delta, by_scale = jax.grad(total, (0, 1))(delta['w'], 0.5)
  assert float(by_scale) == 3.0
  np.testing.assert_array_equal(by_delta[1:], [0.5, 0.5])


def test_models_that_differ_where_no_delta_can_are_refused():
  tuned, base = pair(jnp.float32)
  for name, x in ('step', jnp.array(4)), ('key', jax.random.key(2)):
    with pytest.raises(ValueError, match=f"'{name}' is not floating-point"):
      deltas.subtract(tuned | {name: x}, base)
    with pytest.raises(ValueError, match=f"'{name}' is not floating-point"):
      deltas.add(base, tuned | {name: x})


def test_models_of_other_shapes_or_dtypes_are_refused():
  tuned, base = pair(jnp.float32)
  with pytest.raises(ValueError, match=r"'w' should be float32\[40, 8\]"):
    deltas.subtract(tuned | {'w': jnp.ones((8, 40))}, base)
  with pytest.raises(ValueError, match="'b' should be float32"):
    deltas.subtract(tuned | {'b': jnp.ones(8, jnp.bfloat16)}, base)
  with pytest.raises(ValueError, match=r"different leaves.*'more'"):
    deltas.add(base, tuned | {'more': jnp.ones(3)})


def test_a_sum_that_overflows_is_refused_by_name():
  base = {'w': jnp.ones(2, jnp.float16)}
  delta = {'w': jnp.array([0.0, 1e4])}
  deltas.add(base, delta, 6.0)
  with pytest.raises(ValueError, match=r"'w' is too large for float16.*7e\+04"):
    deltas.add(base, delta, 7.0)


def test_a_key_goes_with_stochastic_rounding_alone():
  tuned, base = pair(jnp.bfloat16)
  delta = deltas.subtract(tuned, base)
  with pytest.raises(ValueError, match='takes a key'):
    deltas.add(base, delta, rounding='stochastic')
  with pytest.raises(ValueError, match='takes a key'):
    deltas.add(base, delta, key=KEY)
  with pytest.raises(ValueError, match="got 'up'"):
    deltas.add(base, delta, rounding='up')
