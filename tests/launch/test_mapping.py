import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.launch import mapping

N = 5


def state():
  return {
    'x': jnp.arange(6.0 * N).reshape(N, 2, 3),
    'key': jax.random.split(jax.random.key(0), N),
    'count': jnp.arange(N),
    'none': None,
  }


def step(state, rate, extra):
  noise = jax.random.normal(jax.random.fold_in(state['key'], 1), (2, 3))
  x = state['x'] - rate * noise
  found = {
    'x': x + extra['shared'] if extra else x,
    'key': jax.random.split(state['key'])[0],
    'count': state['count'] + 1,
    'none': state['none'],
  }
  return found, x.sum()


def assert_same(found, wanted):
  assert jax.tree.structure(found) == jax.tree.structure(wanted)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
      a, b = jax.random.key_data(a), jax.random.key_data(b)
    np.testing.assert_allclose(a, b, rtol=1e-6)


SHARED = {'shared': jnp.ones(3)[None], 'rows': jnp.ones((N, 3))}


@pytest.mark.parametrize(
  ('in_axes', 'rate', 'extra'),
  [
    (0, jnp.ones(N), None),
    ((0, None, None), 0.5, SHARED),
    ([0, None, None], 0.5, SHARED),
    ((0, 0, {'shared': None, 'rows': 0}), jnp.arange(1.0 * N), SHARED),
    (({'x': 0, 'key': 0, 'count': 0, 'none': None}, None, None), 1.0, SHARED),
  ],
)
def test_it_maps_as_vmap_does(in_axes, rate, extra):
  args = state(), rate, extra
  for wrap in (lambda f: f, jax.jit):
    found = wrap(mapping.mapped(step, in_axes))(*args)
    assert_same(found, wrap(jax.vmap(step, in_axes))(*args))


@pytest.mark.parametrize('axis', [1, -1, -2])
def test_the_rows_may_be_any_axis(axis):
  x = jnp.arange(24.0).reshape(2, 3, 4)
  f = lambda x, y: (x * 2, y)
  found = mapping.mapped(f, (axis, None))(x, jnp.ones(()))
  assert_same(found, jax.vmap(f, (axis, None))(x, jnp.ones(())))


def test_keys_may_have_their_rows_on_any_axis():
  keys = jax.random.split(jax.random.key(1), (2, N))
  f = lambda k: jax.random.fold_in(k[1], 3)
  assert_same(mapping.mapped(f, 1)(keys), jax.vmap(f, 1)(keys))


def test_gradients_pass_through():
  x = jnp.arange(6.0).reshape(3, 2)
  loss = lambda map_: jax.grad(lambda x: map_(jnp.sin)(x).sum())
  assert_same(loss(mapping.mapped)(x), loss(jax.vmap)(x))


@pytest.mark.parametrize(
  ('in_axes', 'args'),
  [
    (0, (jnp.ones(2), jnp.ones(3))),
    (None, (jnp.ones(2), 1.0)),
    (0, (1.0, 1.0)),
  ],
)
def test_arguments_without_one_number_of_rows_are_an_error(in_axes, args):
  with pytest.raises(ValueError, match='need one number of rows'):
    mapping.mapped(lambda x, y: x, in_axes)(*args)
