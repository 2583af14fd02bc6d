"""Averages inside optax's chains."""

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from paramspace import averaging

AVERAGERS = {
  'ema': averaging.averager(averaging.ema(0.8)),
  'window': averaging.window(3),
}
PARAMS = {'w': jnp.arange(6.0).reshape(2, 3), 'b': jnp.ones(3)}


def loss(params, x):
  return jnp.mean((x @ params['w'] + params['b'][None]) ** 2)


def train(optimizer, steps=12):
  """Yields parameters and state after every step."""

  @jax.jit
  def step(params, state, x):
    gradient = jax.grad(loss)(params, x)
    updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state

  params, state = PARAMS, optimizer.init(PARAMS)
  for i in range(steps):
    x = jax.random.normal(jax.random.key(i), (4, 2))
    params, state = step(params, state, x)
    yield params, state


WRAPPERS = {
  'chain': lambda inner: optax.chain(optax.sgd(0.1), inner),
  'nested': lambda inner: optax.chain(
    optax.clip(1.0), optax.chain(optax.sgd(0.1, 0.9), inner)
  ),
  'injected': lambda inner: optax.inject_hyperparams(
    lambda learning_rate: optax.chain(optax.sgd(learning_rate), inner)
  )(learning_rate=0.1),
}


@pytest.mark.parametrize('wrapper', WRAPPERS)
@pytest.mark.parametrize('name', AVERAGERS)
def test_it_is_the_average_of_the_parameters_after_each_step(name, wrapper):
  averager, make = AVERAGERS[name], WRAPPERS[wrapper]
  beside = averager.init(PARAMS)
  update = jax.jit(averager.update)
  for params, state in train(make(averaging.as_optax(averager))):
    beside = update(params, beside)
    chex.assert_trees_all_close(
      averaging.averaged_params(state), averager.value(beside), rtol=1e-6
    )


@pytest.mark.optimized
def test_the_updates_are_passed_on_to_the_bit():
  inner = averaging.as_optax(AVERAGERS['ema'])
  with_average = [params for params, _ in train(WRAPPERS['chain'](inner))]
  without = [params for params, _ in train(optax.sgd(0.1))]
  chex.assert_trees_all_equal(with_average, without)


def test_every_k_th_call_of_multi_steps_is_a_step():
  averager = averaging.averager(averaging.uniform())
  chain = optax.chain(optax.sgd(0.1), averaging.as_optax(averager))
  optimizer = optax.MultiSteps(chain, every_k_schedule=3)
  with jax.numpy_dtype_promotion('standard'):  # MultiSteps needs it.
    seen = list(train(optimizer, steps=9))
  moved = [params for params, _ in seen[2::3]]
  expected = jax.tree.map(lambda *x: jnp.stack(x).mean(axis=0), *moved)
  got = averaging.averaged_params(seen[-1][1])
  chex.assert_trees_all_close(got, expected, rtol=1e-5)


def test_it_has_the_dtypes_that_are_asked_for():
  optimizer = WRAPPERS['chain'](averaging.as_optax(AVERAGERS['ema']))
  narrow = jax.tree.map(lambda x: x.astype(jnp.bfloat16), PARAMS)
  state = optimizer.init(narrow)
  assert averaging.averaged_params(state)['w'].dtype == jnp.float32
  assert averaging.averaged_params(state, like=narrow)['w'].dtype == (
    jnp.bfloat16
  )


def test_a_state_without_an_average_is_refused():
  with pytest.raises(ValueError, match='has 0 averages, not one'):
    averaging.averaged_params(optax.adam(0.1).init(PARAMS))


def test_a_state_with_two_averages_is_refused():
  two = optax.chain(*(averaging.as_optax(a) for a in AVERAGERS.values()))
  with pytest.raises(ValueError, match='has 2 averages, not one'):
    averaging.averaged_params(two.init(PARAMS))


def test_an_update_without_parameters_is_refused():
  transform = averaging.as_optax(AVERAGERS['ema'])
  with pytest.raises(ValueError, match='needs the parameters'):
    transform.update(PARAMS, transform.init(PARAMS))
