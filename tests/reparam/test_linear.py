import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.reparam import _linear

A = jax.random.normal(jax.random.key(0), (7, 5))
X = jax.random.normal(jax.random.key(1), (5,))
V = jax.random.normal(jax.random.key(2), (5,))
G = jax.random.normal(jax.random.key(3), (7,))


def apply(x, factor=1.0):
  """A x in two leaves; `factor` is that of the transpose."""
  times = lambda a, b: jnp.matmul(a, b, precision='highest')
  return _linear.linear(
    lambda x: {'top': times(A[:3], x), 'end': times(A[3:], x)},
    lambda g: factor * (times(g['top'], A[:3]) + times(g['end'], A[3:])),
    x,
  )


def both(y):
  return jnp.concatenate([y['top'], y['end']])


def close(a, b):
  np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_value_is_that_of_forward():
  close(jax.jit(lambda x: both(apply(x)))(X), A @ X)


def test_forward_mode():
  y, dy = jax.jit(lambda x, v: jax.jvp(lambda x: both(apply(x)), (x,), (v,)))(
    X, V
  )
  close(y, A @ X)
  close(dy, A @ V)


def test_reverse_mode_runs_the_transpose_that_was_given():
  pull = lambda factor: jax.jit(
    lambda g: jax.vjp(lambda x: both(apply(x, factor)), X)[1](g)[0]
  )
  close(pull(1.0)(G), G @ A)
  close(pull(3.0)(G), 3 * (G @ A))


def test_vmap():
  xs = jnp.stack([X, V, X + V])
  close(jax.jit(jax.vmap(lambda x: both(apply(x))))(xs), xs @ A.T)
  gradient = jax.grad(lambda x, g: both(apply(x)) @ g)
  gs = jnp.stack([G, 2 * G, -G])
  close(jax.jit(jax.vmap(gradient))(xs, gs), gs @ A)


HVPS = {
  'forward over reverse': lambda f: jax.jvp(jax.grad(f), (X,), (V,))[1],
  'reverse over reverse': lambda f: jax.grad(lambda x: jax.grad(f)(x) @ V)(X),
  'reverse over forward': lambda f: jax.grad(
    lambda x: jax.jvp(f, (x,), (V,))[1]
  )(X),
  'forward over forward': lambda f: jax.jvp(
    lambda x: jax.jacfwd(f)(x), (X,), (V,)
  )[1],
  'batched': lambda f: jax.hessian(f)(X) @ V,
}


@pytest.mark.parametrize('order', HVPS)
@pytest.mark.parametrize('leaves', ['all', 'one'])
def test_second_derivatives(order, leaves):
  """Also where one of the outputs is not used."""
  rows = 7 if leaves == 'all' else 3
  loss = lambda x: (
    jnp.sum(jnp.sin(apply(x)['top']))
    + (jnp.sum(jnp.sin(apply(x)['end'])) if leaves == 'all' else 0.0)
  )
  a = np.asarray(A[:rows], np.float64)
  y = a @ np.asarray(X)
  expected = a.T @ (-np.sin(y) * (a @ np.asarray(V)))
  close(jax.jit(lambda: HVPS[order](loss))(), expected)


def test_third_derivatives():
  loss = lambda x: jnp.sum(apply(x)['top'] ** 3)
  along = lambda f: lambda x: jax.grad(f)(x) @ V
  got = jax.jit(along(along(along(loss))))(X)
  close(got, 6 * np.sum(np.asarray(A[:3] @ V, np.float64) ** 3))


def test_an_empty_output():
  empty = _linear.linear(
    lambda x: {'y': 2 * x, 'none': jnp.zeros((0, 3))}, lambda g: 2 * g['y'], X
  )
  assert empty['none'].shape == (0, 3)
  close(empty['y'], 2 * X)
