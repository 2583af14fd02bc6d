import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.averaging import _averager
from paramspace.averaging import _interpolate
from paramspace.averaging import _warp
from paramspace.averaging import _weights

KEY = jax.random.key(0)
START = {'w': jax.random.normal(KEY, (3, 2)), 'b': jnp.ones(2)}


def moved(run, params):
  """A training that goes to a place of its own."""
  key = jax.random.fold_in(KEY, run)
  return jax.tree.map(lambda x: x + jax.random.normal(key, x.shape), params)


def test_an_iteration_is_slerp_and_then_a_line():
  result = _warp.warp(START, moved, iterations=1, eta=0.3)
  slerp = _interpolate.slerp(moved(0, START), moved(1, START), 0.5, START)
  chex.assert_trees_all_equal(result.merged, slerp)
  want = _interpolate.lerp(START, slerp, 0.3)
  chex.assert_trees_all_equal(result.params, want)


def test_iterations_begin_where_the_last_one_ended():
  once = _warp.warp(START, moved, iterations=1, eta=0.3).params
  later = lambda run, params: moved(run + 2, params)
  want = _warp.warp(once, later, iterations=1, eta=0.3)
  got = _warp.warp(START, moved, iterations=2, eta=0.3)
  chex.assert_trees_all_equal(got, want)


def test_every_training_has_a_number_and_starts_at_the_same_point():
  seen = []

  def train(run, params):
    seen.append((run, float(params['w'])))
    return {'w': params['w'] + 1}

  _warp.warp({'w': jnp.array(0.0)}, train, iterations=2, eta=0.5, policies=3)
  assert seen == [(0, 0), (1, 0), (2, 0), (3, 0.5), (4, 0.5), (5, 0.5)]


def test_one_policy_is_only_pulled_back():
  got = _warp.warp(START, moved, iterations=1, eta=0.25, policies=1)
  want = _interpolate.lerp(START, moved(0, START), 0.25)
  chex.assert_trees_all_equal(got.params, want)


def test_perpendicular_policies_of_one_length_keep_it():
  goals = 3 * jnp.eye(2)
  train = lambda run, params: params + goals[run]
  merged = _warp.warp(jnp.ones(2), train, iterations=1, eta=1.0).merged
  np.testing.assert_allclose(jnp.linalg.norm(merged - 1), 3, rtol=1e-6)


def test_many_policies_are_merged_in_equal_parts():
  train = lambda run, params: params + (run + 1) * jnp.array([1.0, 2.0])
  merged = _warp.warp(
    jnp.ones(2), train, iterations=1, eta=1.0, policies=3
  ).merged
  np.testing.assert_allclose(merged, 1 + 2 * np.array([1, 2]), rtol=1e-6)


def test_it_climbs_to_the_reward_with_an_average_as_the_anchor():
  reward = lambda p: -jnp.sum((p['w'] - 2) ** 2)
  anchor = _averager.averager(_weights.ema(1 - 0.01))

  @jax.jit
  def train(run, params):
    key = jax.random.fold_in(KEY, run)

    def step(carry, key):
      params, state = carry
      kept = anchor.value(state)
      objective = lambda p: reward(p) - 0.5 * jnp.sum((p['w'] - kept['w']) ** 2)
      gradient = jax.grad(objective)(params)['w']
      noise = jax.random.normal(key, gradient.shape)
      params = {'w': params['w'] + 0.05 * (gradient + noise)}
      return (params, anchor.update(params, state)), None

    state = anchor.update(params, anchor.init(params))
    (params, _), _ = jax.lax.scan(
      step, (params, state), jax.random.split(key, 40)
    )
    return params

  start = {'w': jnp.zeros(8)}
  rewards = [float(reward(start))] + [
    float(reward(_warp.warp(start, train, iterations=k, eta=0.5).params))
    for k in (1, 3)
  ]
  assert rewards[0] < rewards[1] - 1 < rewards[2] - 2


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'iterations': 0}, '`iterations` must be a positive integer, got 0'),
    ({'policies': 1.5}, '`policies` must be a positive integer, got 1.5'),
    ({'eta': 1.2}, r'`eta` must lie in \[0, 1\], got 1.2'),
    ({'scope': 'layer'}, "got 'layer'"),
  ],
)
def test_bad_options_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    _warp.warp(START, moved, **{'iterations': 1, 'eta': 0.5, **options})


def test_a_training_that_returns_another_tree_is_refused():
  train = lambda run, params: params if run else {'w': params['w']}
  with pytest.raises(ValueError, match="unexpected: \\['b'\\]"):
    _warp.warp(START, train, iterations=1, eta=0.5)
