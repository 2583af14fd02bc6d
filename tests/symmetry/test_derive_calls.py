"""Programs within programs, and what may depend on an index."""

import jax
import jax.numpy as jnp
import numpy as np
import programs
import pytest
from jax import lax

B = programs.B
D = programs.D
MLP = programs.MLP
CASES = programs.Cases()
case = CASES.case


# Programs within programs.


@jax.custom_vjp
def doubled(x):
  return x * 2


doubled.defvjp(lambda x: (doubled(x), None), lambda _, g: (g * 2,))


@case({'v:1.0': 2, 'v:1.1': (3, 'v:1.0')}, **MLP)
def calls_are_read(x, v, w):
  @jax.jit
  def inner(h):
    return jax.checkpoint(jnp.tanh)(doubled(jax.nn.relu(h)))

  h = inner((x @ v).reshape(B, 2, 3))
  return (h * h.sum(-1, keepdims=True)).reshape(B, 6) @ w


@case({'v:1': 6}, u=(6, 6), **MLP)
def a_carry_is_one_class(x, v, u, w):
  step = lambda h, y: (jnp.tanh(h @ u + y), h)
  h, hs = lax.scan(step, jnp.zeros(6, x.dtype), x @ v)
  return (hs + h[None]) @ w


@case(
  {'v:1': 6, 'a:2': (5, 'a:0')},
  v=(D, 6),
  a=(3, 6, 5),
  b=(3, 5, 6),
  w=(6, 2),
)
def each_layer_of_a_stack_has_its_own(x, v, a, b, w):
  step = lambda h, ab: (h + jnp.tanh(h @ ab[0]) @ ab[1], None)
  return lax.scan(step, x @ v, (a, b))[0] @ w


@case({'a:2': 5}, a=(3, 4, 5), b=(4, 5), w=(5, 2))
def a_stack_that_shares_a_leaf_has_one(x, a, b, w):
  step = lambda h, a: (h + jnp.tanh(a * b) @ w, None)
  return lax.scan(step, jnp.zeros((4, 2), x.dtype), a)[0] + x.sum()


@case({'v:1': 6}, u=(6, 6), **MLP)
def a_loop_with_a_condition(x, v, u, w):
  step = lambda i, h: jnp.tanh(h @ u)
  return lax.fori_loop(0, jnp.argmax(x[:, 0]) + 1, step, x @ v) @ w


@case({'v:1': 6}, u=(D, 6), **MLP)
def branches_are_of_one_class(x, u, v, w):
  f = lambda: jnp.tanh(x @ u)
  return lax.cond(x[0, 0] > 0, f, lambda: x @ v) @ w


@case({'u:1': 5}, notes=1, u=(D, 5), s=(5, 2), **MLP)
def an_unknown_operation_fixes_its_axes(x, u, v, w, s):
  h = jnp.fft.fft(lax.complex(x @ v, x @ v)).real
  return h @ w + jnp.tanh(x @ u) @ s


# What depends on an index.


@case({'a:1': (5, 'a:0')}, a=(4, 5), b=(4, 5))
def each_fixed_index_has_its_own(x, a, b):
  h = jnp.tanh(x.sum(1)[:, None] * a)
  return (h * b).sum(1)


@case({'a:1': 5}, notes=1, a=(6, 5), b=(4, 5))
def a_part_of_an_axis_is_no_index(x, a, b):
  h = jnp.tanh(x.sum(1)[:, None] * a[:4])
  return (h * b).sum(1)


@case({'a:1': 5}, a=(3, 5), b=(3, 5))
def a_carry_has_no_index(x, a, b):
  step = lambda c, ab: (c + jnp.tanh(ab[0]), (c * ab[1]).sum())
  return lax.scan(step, jnp.zeros(5, x.dtype), (a, b))[1] + x.sum()


@case({'a:1': 5}, a=(4, 5), b=(4, 5))
def entries_mixed_along_an_index_have_one(x, a, b):
  h = jnp.tanh(x.sum(1)[:, None] * a)
  return ((h + jnp.cumsum(h, 0)) * b).sum(1)


@case({'a:1': 5}, a=(4, 5), b=(4, 5))
def entries_looked_up_by_an_index_have_one(x, a, b):
  h = jnp.tanh(x.sum(1)[:, None] * a)
  return ((h + h[np.array([2, 2, 0, 1], np.int32)]) * b).sum(1)


@case({'a:1': 5}, notes=1, a=(6, 5), b=(6, 5))
def an_index_transposed_is_another(x, a, b):
  h = jnp.tanh(x.sum() * a)
  turned = h.reshape(2, 3, 5).transpose(1, 0, 2).reshape(6, 5)
  return ((h + turned) * b).sum()


@case({'a:0': (2, 'a:1'), 'a:2': (5, 'a:0', 'a:1')}, a=(2, 3, 5), b=(5, 3, 2))
def an_index_that_is_not_permuted_comes_first(x, a, b):
  h = jnp.tanh(x.sum(0)[None, :, None] * a)
  return (h * b.transpose(2, 1, 0)).sum((0, 2))


@pytest.mark.parametrize('name', CASES)
def test_rule(name):
  CASES[name].check()
