"""The parameters of Linen, NNX and Equinox models, as they come."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from paramspace import reparam

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (4, 6))


def linen():
  model = nn.Sequential([nn.Dense(8), nn.tanh, nn.Dense(2)])
  return model.init(KEY, X)['params'], lambda p: model.apply({'params': p}, X)


class Mlp(nnx.Module):
  def __init__(self, rngs):
    self.first = nnx.Linear(6, 8, rngs=rngs)
    self.layers = nnx.List([nnx.Linear(8, 2, rngs=rngs)])

  def __call__(self, x):
    return self.layers[0](jnp.tanh(self.first(x)))


def from_nnx():
  model = Mlp(nnx.Rngs(0))
  graph, state = nnx.split(model, nnx.Param)

  def apply(params):
    filled = jax.tree.map(lambda x: x, state)
    nnx.replace_by_pure_dict(filled, params)
    return nnx.merge(graph, filled)(X)

  return nnx.to_pure_dict(nnx.state(model, nnx.Param)), apply


def equinox():
  model = eqx.nn.MLP(6, 2, 8, depth=1, activation=jnp.tanh, key=KEY)
  arrays, rest = eqx.partition(model, eqx.is_array)
  return arrays, lambda p: jax.vmap(eqx.combine(p, rest))(X)


@pytest.mark.parametrize('method', [reparam.hadamard, reparam.hashed])
@pytest.mark.parametrize('model', [linen, from_nnx, equinox])
def test_a_model_trains_in_a_subspace(model, method):
  params, apply = model()
  rp = method(dim=20)
  z, frozen = jax.jit(rp.init)(KEY, params)

  @jax.jit
  def step(z, params, frozen):
    loss = lambda z: jnp.mean((apply(rp.apply(params, z, frozen)) - 1) ** 2)
    value, gradient = jax.value_and_grad(loss)(z)
    return value, z - 0.2 * gradient

  start = jnp.mean((apply(params) - 1) ** 2)
  first, z = step(z, params, frozen)
  np.testing.assert_allclose(first, start, rtol=1e-5)
  for _ in range(30):
    last, z = step(z, params, frozen)
  assert last < 0.5 * first
  theta = jax.eval_shape(rp.apply, params, z, frozen)
  assert jax.tree.structure(theta) == jax.tree.structure(params)
