"""Products, reductions and orders: which axes are one class, which stay."""

import jax
import jax.numpy as jnp
import numpy as np
import programs
import pytest
from jax import lax

D = programs.D
MLP = programs.MLP
ONE = programs.ONE
CASES = programs.Cases()
case = CASES.case


# Products and what is between them.


@case(ONE, **MLP)
def contracted_axes_are_one_class(x, v, w):
  return jnp.tanh(x @ v) @ w


@case({'v:1': 6}, v=(D, 6), u=(6, 6), w=(6, 2))
def an_axis_may_meet_itself(x, v, u, w):
  h = x @ v
  return (h + jnp.tanh(h @ u)) @ w


@case({'v:0': 2, 'v:2': (5, 'v:0')}, v=(2, D, 5), w=(2, 5, 2))
def batch_axes_are_one_class(x, v, w):
  h = jnp.tanh(jnp.einsum('bd,hdf->hbf', x, v))
  return jnp.einsum('hbf,hfo->bo', h, w)


@case({'v:0': 2, 'v:2': 5, 'w:0': (3, 'w:2')}, v=(2, D, 5), w=(3, 5, 2))
def heads_that_meet_those_of_others_have_one_permutation(x, v, w):
  h = jnp.tanh(jnp.einsum('bd,hdf->hbf', x, v))
  return jnp.tanh(jnp.einsum('hbf,gfo->hgbo', h, w)).sum((0, 1))


@case({'v:0': 2, 'v:2': 5}, v=(2, D, 5))
def heads_that_meet_each_other_have_one_permutation(x, v):
  h = jnp.einsum('bd,hdf->hbf', x, v)
  return jnp.tanh(jnp.einsum('hbf,gbf->hgb', h, h)).sum((0, 1))


@case(ONE, b=(6,), c=(1, 6), **MLP)
def axes_of_size_one_are_repeated(x, v, w, b, c):
  h = lax.add(x @ v + b[None], c)  # [4, 6] + [1, 6]
  return jnp.tanh(h - h.mean(-1, keepdims=True)) @ w


@case(ONE, v=(D, 6), b=(1, 6), w=(6, 2))
def a_mean_over_a_class_is_not_of_the_class(x, v, b, w):
  h = x @ v
  return jnp.tanh(h - h.mean(1)[:, None] * b) @ w


@case({}, **MLP)
def a_constant_that_varies_fixes_an_axis(x, v, w):
  return (x @ v * np.linspace(1, 2, 6, dtype=x.dtype)[None]) @ w


@case({'v:1': 6, 'u:1': 6}, u=(D, 6), **MLP)
def a_constant_that_does_not_vary_ties_nothing(x, u, v, w):
  one = np.full((4, 6), 1.5, x.dtype)
  return jnp.tanh(one + x @ v) @ w + jnp.tanh(one + x @ u).sum(1)[:, None]


@case({'v:0.1': 3, 'v:1': (5, 'v:0.1')}, v=(6, 5), w=(3, 5, 2))
def a_constant_varies_along_one_axis_only(x, v, w):
  scale = np.arange(1, 3, dtype=x.dtype)[:, None] * np.ones((1, 3), x.dtype)
  h = jnp.tanh(v.reshape(2, 3, 5) * scale[..., None])
  return jnp.einsum('bd,ghf,hfo->bo', x, h, w)


# Reductions and orders.


@case(ONE, g=(6,), **MLP)
def norms_and_softmax_keep_a_class(x, v, g, w):
  h = x @ v
  h = (h - h.mean(-1, keepdims=True)) * lax.rsqrt(h.var(-1, keepdims=True) + 1)
  return jax.nn.softmax(h * g[None]) @ w


@case({}, **MLP)
def a_position_fixes_an_axis(x, v, w):
  h = x @ v
  return jnp.argmax(h, -1).astype(x.dtype)[:, None] + h @ w


@case({}, **MLP)
def a_running_sum_fixes_an_axis(x, v, w):
  return jnp.cumsum(x @ v, -1) @ w


@case(ONE, **MLP)
def a_running_maximum_over_another_axis_passes(x, v, w):
  return lax.cummax(x @ v, 0) @ w


@case({}, **MLP)
def sorting_fixes_an_axis(x, v, w):
  return jnp.sort(x @ v, -1) @ w


@case(ONE, u=(D, 6), **MLP)
def sorting_along_another_axis_passes(x, u, v, w):
  keys, also = lax.sort([x @ v, x @ u], dimension=0, num_keys=1)
  return (keys * also) @ w


@case({}, v=(D, 6), w=(3, 2))
def the_largest_few_fix_an_axis(x, v, w):
  return lax.top_k(x @ v, 3)[0] @ w


@case({}, **MLP)
def a_mask_by_position_fixes_an_axis(x, v, w):
  return jnp.where(jnp.arange(6)[None] < 3, x @ v, 0) @ w


@case({}, **MLP)
def a_reversed_axis_does_not_fit_itself(x, v, w):
  h = x @ v
  return jnp.tanh(h + h[:, ::-1]) @ w


@case({}, **MLP)
def random_draws_fix_an_axis(x, v, w):
  noise = jax.random.normal(jax.random.key(0), (6,), x.dtype)
  return (x @ v + noise[None]) @ w


@case({'u:0': (3, 'u:1')}, u=(D, 6), **MLP)
def draws_from_seeds_of_a_class_fix_it(x, u, v, w):
  draw = lambda seed: jax.random.normal(jax.random.key(seed), (), x.dtype)
  noise = jax.vmap(draw)((100 * u.sum(0)).astype(jnp.int32))
  return (x @ v + noise[None]) @ w


@pytest.mark.parametrize('name', CASES)
def test_rule(name):
  CASES[name].check()
