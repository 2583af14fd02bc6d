"""What every average keeps."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_all_methods as methods

from paramspace import averaging
from paramspace import trees

every_averager = pytest.mark.parametrize('name', methods.AVERAGERS)


def trajectory(steps, dtype=jnp.float32):
  """Yields parameters that drift away from where they began."""
  params = methods.make_params(dtype)
  for step in range(1, steps + 1):
    move = lambda x, step=step: (
      (x + methods.normal(step, x).astype(x.dtype) / 10).astype(x.dtype)
      if trees.is_floating(x)
      else x
    )
    params = jax.tree.map(move, params)
    yield params | {'step': jnp.array([step, 0])}


def averaged(averager, params):
  """Returns the state after all updates, through `jit`."""
  update = jax.jit(averager.update)
  state = None
  for theta in params:
    state = averager.init(theta) if state is None else state
    state = update(theta, state)
  return state


@pytest.mark.parametrize(
  ('every', 'start'), [(1, 0), (3, 0), (1, 5), (4, 2), (7, 1)]
)
@every_averager
def test_the_response_is_the_profile_that_is_stated(name, every, start):
  row, steps = methods.AVERAGERS[name], 41
  got = averaging.response(row.make(every=every, start=start), steps)
  times = np.arange(every, steps - start + 1, every)
  expected = np.zeros(steps)
  expected[start + times - 1] = row.profile(times.astype(float), every)
  np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
  assert (got >= 0).all()
  assert abs(got.sum() - 1) < 1e-12


@every_averager
def test_an_average_is_the_sum_that_its_response_says(name):
  """In float64 NumPy, step by step."""
  steps, row = 11, methods.AVERAGERS[name]
  response = averaging.response(row.make(every=2, start=1), steps)
  params = list(trajectory(steps))
  state = averaged(row.make(every=2, start=1), params)
  mean = methods.weights(jax.jit(row.make().value)(state))
  for leaf, x in mean.items():
    rows = np.stack(
      [np.asarray(methods.weights(p)[leaf], np.float64) for p in params]
    )
    expected = np.tensordot(response, rows, 1)
    np.testing.assert_allclose(x, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.optimized
@pytest.mark.parametrize('compensated', [False, True])
@every_averager
def test_a_constant_stays_what_it_is_to_the_bit(name, compensated):
  row = methods.AVERAGERS[name]
  options = {'compensated': compensated} if row.runs else {}
  averager = row.make(every=2, start=3, **options)
  state = averager.init(jax.tree.map(jnp.zeros_like, methods.PARAMS))
  update = jax.jit(averager.update)
  for _ in range(50):
    state = update(methods.PARAMS, state)
  chex.assert_trees_all_equal(jax.jit(averager.value)(state), methods.PARAMS)


@every_averager
def test_until_the_first_sample_the_average_is_the_last_parameters(name):
  averager = methods.AVERAGERS[name].make(every=4, start=2)
  params = list(trajectory(7))
  for count in 0, 1, 3, 5, 6:
    last = params[count - 1] if count else methods.PARAMS
    state = averaged(averager, params[:count]) or averager.init(methods.PARAMS)
    chex.assert_trees_all_equal(averager.value(state), last)


@every_averager
def test_bfloat16_parameters_are_averaged_in_float32(name):
  averager = methods.AVERAGERS[name].make()
  narrow = list(trajectory(9, jnp.bfloat16))
  widen = lambda x: x.astype(jnp.float32) if trees.is_floating(x) else x
  wide = [jax.tree.map(widen, params) for params in narrow]
  value = jax.jit(averager.value)
  mean = value(averaged(averager, narrow))
  chex.assert_trees_all_equal(mean, value(averaged(averager, wide)))
  like = averager.value(averaged(averager, narrow), like=narrow[0])
  chex.assert_trees_all_equal_dtypes(like, narrow[0])
  chex.assert_trees_all_equal(like, trees.cast(mean, narrow[0]))


@every_averager
def test_leaves_that_are_not_floating_are_those_of_the_last_step(name):
  key = {'key': jax.random.key(3)}
  averager = methods.AVERAGERS[name].make(every=4)
  params = [p | key for p in trajectory(6)]
  mean = averager.value(averaged(averager, params))
  np.testing.assert_array_equal(mean['step'], [6, 0])
  assert bool(mean['trained'])
  assert mean['key'] == jax.random.key(3)


@pytest.mark.optimized
@every_averager
def test_an_update_keeps_every_leaf_where_it_is_and_moves_none(name):
  """Over 8 devices, with no collective in the program."""
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)

  def place(x):
    spec = ('devices',) if x.ndim and x.shape[0] % 8 == 0 else ()
    return jax.device_put(x, jax.NamedSharding(mesh, jax.P(*spec)))

  params = jax.tree.map(place, methods.PARAMS)
  averager = methods.AVERAGERS[name].make(every=2)
  state = jax.jit(averager.init)(params)
  update = jax.jit(averager.update)
  text = update.lower(params, state).compile().as_text()
  for word in ('all-reduce', 'all-gather', 'all-to-all', 'permute', 'scatter'):
    assert f'{word}(' not in text
  for _ in range(4):
    state = update(params, state)
  mean = jax.jit(averager.value)(state)
  for leaf, x in methods.weights(mean).items():
    sharding = methods.weights(params)[leaf].sharding
    assert x.sharding.is_equivalent_to(sharding, x.ndim), (leaf, x.sharding)


@every_averager
def test_a_vmapped_average_is_a_loop(name):
  averager = methods.AVERAGERS[name].make(every=2)
  pairs = [
    jax.tree.map(lambda *x: jnp.stack(x), a, b)
    for a, b in zip(trajectory(5), list(trajectory(5))[::-1], strict=True)
  ]
  state = jax.vmap(averager.init)(pairs[0])
  for pair in pairs:
    state = jax.jit(jax.vmap(averager.update))(pair, state)
  both = jax.vmap(averager.value)(state)
  one = averager.value(averaged(averager, trajectory(5)))
  chex.assert_trees_all_close(
    methods.weights(jax.tree.map(lambda x: x[0], both)),
    methods.weights(one),
    atol=1e-6,
  )


@every_averager
def test_parameters_of_another_shape_are_refused(name):
  averager = methods.AVERAGERS[name].make()
  state = averager.init(methods.PARAMS)
  wrong = methods.PARAMS | {'scale': jnp.zeros(3)}
  with pytest.raises(
    ValueError, match=r"'scale' should be .*\[\], got .*\[3\]"
  ):
    averager.update(wrong, state)


@pytest.mark.parametrize('number', [0, -1, 1.5, True])
@every_averager
def test_samples_are_whole_steps_apart(name, number):
  with pytest.raises(ValueError, match='`every` must be an integer'):
    methods.AVERAGERS[name].make(every=number)
