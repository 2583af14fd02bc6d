import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace import sharding
from paramspace.averaging import _experts

KEYS = jax.random.split(jax.random.key(0), 3)
PARAMS = {
  'moe': {
    'kernel': jax.random.normal(KEYS[0], (8, 6, 5)),
    'bias': jax.random.normal(KEYS[1], (8, 5)),
  },
  'head': jax.random.normal(KEYS[2], (5, 2)),
  'step': jnp.array(0),
}
pull = jax.jit(_experts.pull_experts, static_argnums=(2, 3))


def test_a_pull_is_the_formula_and_leaves_the_rest():
  pulled = pull(PARAMS, 0.3, 'moe/.*', 0)
  for name, x in PARAMS['moe'].items():
    x = np.asarray(x, np.float64)
    want = x + 0.3 * (x.mean(0) - x)
    np.testing.assert_allclose(pulled['moe'][name], want, atol=1e-6)
  for name in ('head', 'step'):
    chex.assert_trees_all_equal(pulled[name], PARAMS[name])


@pytest.mark.parametrize('rate', [0.0, 0.2, 0.5, 0.9, 1.0])
def test_the_mean_of_the_experts_stays(rate):
  pulled = pull(PARAMS, rate, 'moe/.*', 0)
  got, want = (_experts.collapse_experts(p, 'moe/.*') for p in (pulled, PARAMS))
  chex.assert_trees_all_close(got, want, atol=2e-7, rtol=0)


def test_a_rate_of_0_changes_nothing_and_of_1_makes_all_equal():
  chex.assert_trees_all_equal(pull(PARAMS, 0.0, 'moe/.*', 0), PARAMS)
  equal = pull(PARAMS, 1.0, 'moe/.*', 0)
  collapsed = _experts.collapse_experts(PARAMS, 'moe/.*')
  for k in range(8):
    for name in ('kernel', 'bias'):
      got, want = equal['moe'][name][k], collapsed['moe'][name]
      np.testing.assert_allclose(got, want, atol=1e-7)
      np.testing.assert_array_equal(got, equal['moe'][name][0])


def test_another_axis_counts_the_experts():
  swapped = {'x': jnp.moveaxis(PARAMS['moe']['kernel'], 0, 2)}
  want = pull(PARAMS, 0.3, 'moe/kernel', 0)['moe']['kernel']
  for axis in (2, -1):
    got = pull(swapped, 0.3, 'x', axis)['x']
    np.testing.assert_allclose(jnp.moveaxis(got, 2, 0), want, atol=1e-6)
    collapsed = _experts.collapse_experts(swapped, 'x', axis)['x']
    np.testing.assert_allclose(collapsed, want.mean(0), atol=1e-6)


def test_narrow_experts_are_averaged_in_float32():
  narrow = {'x': PARAMS['moe']['bias'].astype(jnp.bfloat16)}
  wide = {'x': narrow['x'].astype(jnp.float32)}
  got, want = (_experts.collapse_experts(p, 'x')['x'] for p in (narrow, wide))
  chex.assert_trees_all_equal(got, want.astype(jnp.bfloat16))


def test_experts_agree_at_the_end_of_a_training_with_a_ramp():
  goals = jnp.arange(4.0)
  optimizer = optax.sgd(0.1)

  @jax.jit
  def step(params, state, k):
    loss = lambda p: jnp.sum((p['x'] - goals) ** 2)
    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    params = optax.apply_updates(params, updates)
    rate = _experts.share_rate(k, 50, 1.0)
    return _experts.pull_experts(params, rate, 'x'), state

  params = {'x': jnp.zeros(4)}
  state = optimizer.init(params)
  spreads = []
  for k in range(51):
    params, state = step(params, state, k)
    spreads.append(float(jnp.std(params['x'])))
  assert spreads[-1] == 0
  assert max(spreads) > 0.3
  # The pull leaves the mean to the descent, which brings it to that of goals.
  np.testing.assert_allclose(params['x'].mean(), 1.5, atol=1e-3)


def test_the_ramp_is_straight_and_ends():
  got = jax.vmap(lambda k: _experts.share_rate(k, 4, 0.5))(jnp.arange(7))
  np.testing.assert_allclose(got, [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5])


def test_experts_stay_on_their_devices():
  place = jax.NamedSharding(sharding.mesh(), jax.P('data'))
  params = {'x': jax.device_put(PARAMS['moe']['kernel'], place)}
  pulled = jax.jit(lambda p: _experts.pull_experts(p, 0.3, 'x'))(params)
  assert pulled['x'].sharding.is_equivalent_to(place, 3)
  want = pull(PARAMS, 0.3, 'moe/kernel', 0)['moe']['kernel']
  np.testing.assert_allclose(pulled['x'], want, atol=1e-6)


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda: _experts.pull_experts(PARAMS, 1.5, 'moe/.*'), r'`rate`.*got 1.5'),
    (
      lambda: _experts.pull_experts(PARAMS, np.nan, 'moe/.*'),
      '`rate`.*got nan',
    ),
    (lambda: _experts.pull_experts(PARAMS, 0.5, 'mo/.*'), 'matches no leaf'),
    (lambda: _experts.pull_experts(PARAMS, 0.5, 'step'), "'step', int32"),
    (lambda: _experts.collapse_experts(PARAMS, 'head', 2), 'along axis 2'),
    (lambda: _experts.share_rate(1, 0, 0.5), '`total` must be positive, got 0'),
    (lambda: _experts.share_rate(1, 9, -1), '`rate` must lie in'),
  ],
)
def test_bad_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call()
