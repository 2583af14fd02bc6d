"""What rounding does to an average, and what the averager refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import averaging


def last(averager, xs):
  """Returns the average after every element of `xs`, through `jit`."""

  @jax.jit
  def run(xs):
    update = lambda state, x: (averager.update({'x': x}, state), None)
    state, _ = jax.lax.scan(update, averager.init({'x': xs[0]}), xs)
    return averager.value(state)['x']

  return np.asarray(run(xs), np.float64)


@pytest.mark.parametrize('decay', [0.999, 0.9999, 0.99999])
def test_a_jump_that_settles_is_missed_by_the_stated_bound(decay):
  w, steps = 1 - decay, 3_000_000 if decay > 0.9999 else 300_000
  xs = jnp.full(steps, 1.01).at[:2].set(1.0)
  for compensated, bound in (False, 2**-24 / w * 1.01), (True, 1e-6):
    averager = averaging.averager(averaging.ema(decay), compensated=compensated)
    x = np.float64(np.float32(1.01))
    exact = x + (1 - x) * decay ** (steps - 2)
    assert abs(last(averager, xs) - exact) < bound


def test_without_compensation_it_really_stops():
  """Or the bound above, and the option, would be for nothing."""
  xs = jnp.full(300_000, 1.01).at[0].set(1.0)
  plain = averaging.averager(averaging.ema(0.9999))
  assert abs(last(plain, xs) - 1.01) > 1e-4


def test_a_uniform_mean_of_a_drift_is_exact_when_compensated():
  steps = 200_000
  xs = 1 + jnp.arange(steps, dtype=jnp.float32) * (1e-3 / steps)
  exact = np.asarray(xs, np.float64).mean()
  make = lambda c: averaging.averager(averaging.uniform(), compensated=c)
  assert abs(last(make(True), xs) - exact) < 1e-7
  assert abs(last(make(False), xs) - exact) > 1e-7


@pytest.mark.parametrize('decay', [0.99, 0.995, 0.999])
def test_bfloat16_parameters_move_their_average(decay):
  """Averaged in bfloat16 they do not: at .999 it stays at 1."""
  steps = round(10 / (1 - decay))
  xs = jnp.full(steps, 2, jnp.bfloat16).at[0].set(1)
  averager = averaging.averager(averaging.ema(decay))
  error = last(averager, xs) - (2 - decay ** (steps - 1))
  assert abs(error) < 2**-23 / (1 - decay)


def test_a_million_samples_are_counted():
  xs = jnp.where(jnp.arange(1_000_000) % 2 == 0, 1.0, 3.0)
  averager = averaging.averager(averaging.uniform())
  assert abs(last(averager, xs) - 2) < 1e-4


def test_an_accumulator_is_not_narrow():
  with pytest.raises(ValueError, match=r'float32 or float64.*got bfloat16'):
    averaging.averager(averaging.uniform(), dtype=jnp.bfloat16)


def test_a_wider_leaf_keeps_its_own_accumulator():
  with jax.enable_x64(True):
    averager = averaging.averager(averaging.uniform())
    state = averager.init({'a': jnp.zeros(2, jnp.float64)})
    assert state.mean['a'].dtype == jnp.float64
    wide = averaging.averager(averaging.uniform(), dtype=jnp.float64)
    state = wide.init({'a': jnp.zeros(2, jnp.float32)})
    assert wide.update({'a': jnp.ones(2, jnp.float32)}, state).mean[
      'a'
    ].dtype == jnp.dtype('float64')


@pytest.mark.parametrize('start', [-1, 0.5, True])
def test_a_start_is_a_number_of_steps(start):
  with pytest.raises(ValueError, match='`start` must be an integer'):
    averaging.averager(averaging.uniform(), start=start)


@pytest.mark.parametrize('k', [0, -2, 1.5, True])
def test_a_window_has_a_length(k):
  with pytest.raises(ValueError, match='`k` must be a positive integer'):
    averaging.window(k)


def test_a_tree_without_weights_has_no_average():
  averager = averaging.averager(averaging.uniform())
  with pytest.raises(ValueError, match='no floating-point parameters'):
    averager.init({'step': jnp.array(3)})


def test_a_window_keeps_samples_in_their_own_dtype():
  averager = averaging.window(4)
  state = averager.init({'x': jnp.zeros(3, jnp.bfloat16)})
  assert state.samples['x'].dtype == jnp.bfloat16
  assert averager.value(state)['x'].dtype == jnp.float32


@pytest.mark.parametrize('steps', [0, -1, 1.5])
def test_a_response_is_that_of_some_steps(steps):
  averager = averaging.averager(averaging.uniform())
  with pytest.raises(ValueError, match='`steps` must be a positive integer'):
    averaging.response(averager, steps)


def test_complex_leaves_are_carried_or_refused():
  params = {'w': jnp.ones(2), 'z': jnp.ones(2, jnp.complex64) * 1j}
  averager = averaging.averager(averaging.uniform())
  state = averager.update(params, averager.init(params))
  np.testing.assert_array_equal(averager.value(state)['z'], params['z'])
  averager = averaging.averager(averaging.uniform(), compensated=True)
  with pytest.raises(ValueError, match="'z' is complex64"):
    averager.init(params)
