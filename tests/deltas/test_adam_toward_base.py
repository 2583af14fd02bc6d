import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace import deltas

BASE = {'w': jnp.array([1.0, -2.0, 0.5]), 'b': jnp.array([[0.1]])}


def gradient(params, step):
  return jax.tree.map(lambda x: jnp.sin(3 * x + step), params)


def trained(optimizer, steps=5):
  params, state = BASE, optimizer.init(BASE)
  with jax.numpy_dtype_promotion('standard'):
    update = jax.jit(optimizer.update)
  for step in range(steps):
    with jax.numpy_dtype_promotion('standard'):
      updates, state = update(gradient(params, step), state, params)
    params = optax.apply_updates(params, updates)
  return params


@pytest.mark.optimized
@pytest.mark.parametrize('norm', ['l2', 'l1'])
def test_without_decay_it_is_adam_to_the_bit(norm):
  ours = deltas.adam_toward_base(0.1, BASE, 0.0, norm)
  chex.assert_trees_all_equal(trained(ours), trained(optax.adam(0.1)))


@pytest.mark.parametrize('norm', ['l2', 'l1'])
def test_every_step_is_the_pull_and_then_adam(norm):
  """In float64, as it is written."""
  lr, decay, b1, b2 = 0.1, 0.03, 0.9, 0.999
  flat = lambda tree: np.concatenate(
    [np.float64(x).ravel() for x in jax.tree.leaves(tree)]
  )
  base = theta = flat(BASE)
  m = v = np.zeros_like(theta)
  for step in range(5):
    g = np.sin(3 * theta + step)
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    m_hat, v_hat = m / (1 - b1 ** (step + 1)), v / (1 - b2 ** (step + 1))
    away = theta - base
    pull = np.sign(away) if norm == 'l1' else away
    theta = theta - lr * decay / np.sqrt(v_hat.mean()) * pull
    theta = theta - lr * m_hat / (np.sqrt(v_hat) + 1e-8)
  got = flat(trained(deltas.adam_toward_base(lr, BASE, decay, norm)))
  np.testing.assert_allclose(got, theta, rtol=5e-5)


def test_a_schedule_scales_the_pull_as_it_does_the_step():
  rate = lambda count: 0.1 / (1 + count)
  ours = deltas.adam_toward_base(rate, BASE, 0.0)
  chex.assert_trees_all_equal(trained(ours), trained(optax.adam(rate)))
  moved = jax.tree.map(lambda x: x + 1, BASE)
  pulled = deltas.adam_toward_base(rate, BASE, 0.5)
  state = pulled.init(moved)
  still = jax.tree.map(jnp.zeros_like, BASE)
  for count in range(3):
    updates, state = pulled.update(still, state, moved)
    np.testing.assert_allclose(updates['w'], -rate(count) / 2, rtol=1e-6)


def test_a_larger_decay_leaves_a_smaller_delta():
  sizes = []
  for decay in 0.0, 0.1, 1.0:
    params = trained(deltas.adam_toward_base(0.01, BASE, decay), steps=20)
    delta = deltas.subtract(params, BASE)
    sizes.append(float(optax.tree.norm(delta)))
  assert sizes[0] > sizes[1] > sizes[2]


def test_what_does_not_fit_is_refused():
  with pytest.raises(ValueError, match='`weight_decay` must not be negative'):
    deltas.adam_toward_base(0.1, BASE, -1.0)
  with pytest.raises(ValueError, match=r"`norm` must be .* got 'l3'"):
    deltas.adam_toward_base(0.1, BASE, norm='l3')
  ours = deltas.adam_toward_base(0.1, BASE)
  with pytest.raises(ValueError, match='beside base'):
    ours.init({'w': jnp.ones(3)})
  with pytest.raises(ValueError, match='needs the parameters'):
    ours.update(BASE, ours.init(BASE))


@pytest.mark.optimized
def test_a_state_that_is_donated_leaves_the_base_where_it_is():
  base = {'w': jnp.ones(3)}
  adam = deltas.adam_toward_base(0.1, base)
  state = jax.block_until_ready(adam.init(base))
  step = jax.jit(
    lambda state: jax.tree.map(jnp.zeros_like, state), donate_argnums=0
  )
  step(state)
  assert not base['w'].is_deleted() and base['w'].tolist() == [1, 1, 1]
