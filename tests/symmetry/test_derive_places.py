"""Convolutions, windows, looking up: places have an order, channels none."""

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


# Convolutions and windows.


def conv(x, kernel, groups=1, **options):
  return lax.conv_general_dilated(
    x,
    kernel,
    options.pop('strides', (1,)),
    'SAME',
    dimension_numbers=('NWC', 'WIO', 'NWC'),
    feature_group_count=groups,
    **options,
  )


@case({'v:2': 6}, v=(3, 1, 6), w=(3, 6, 2))
def channels_of_a_convolution(x, v, w):
  return conv(jnp.tanh(conv(x[..., None], v)), w, strides=(2,))


@case({'v:2': 6}, v=(3, 1, 6), u=(3, 1, 6), w=(18, 2))
def a_depthwise_convolution_then_flattened(x, v, u, w):
  h = conv(conv(x[..., None], v), u, groups=6)
  return jnp.tanh(h).reshape(B, 18) @ w


@case(
  {'v:2.0': 2, 'v:2.1': (3, 'v:2.0'), 'u:2.1': (2, 'v:2.0')},
  v=(3, 1, 6),
  u=(3, 3, 4),
  w=(3, 4, 2),
)
def a_convolution_in_groups(x, v, u, w):
  return conv(jnp.tanh(conv(jnp.tanh(conv(x[..., None], v)), u, 2)), w)


@case(
  {'v:2.0': 2, 'v:2.1': 2, 'v:2.2': (2, 'v:2.0', 'v:2.1')},
  v=(3, 1, 8),
  u=(3, 4, 8),
  s=(2,),
  w=(3, 8, 2),
)
def groups_have_the_same_members_before_and_after(x, v, u, s, w):
  h = conv(x[..., None], v).reshape(B, D, 2, 2, 2)
  h = jnp.tanh(h * s[None, None, None, :, None]).reshape(B, D, 8)
  return conv(jnp.tanh(h + conv(h, u, 2)), w)


@case({}, notes=1, v=(3, 1, 6), w=(3, 6, 2))
def batches_in_groups_are_fixed(x, v, w):
  h = jnp.tanh(conv(x[..., None], v))
  return conv(h, w, batch_group_count=2)


@case({'v:2': 6}, v=(3, 1, 6), w=(6, 2))
def places_are_pooled(x, v, w):
  h = conv(x[..., None], v)
  h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), 'SAME')
  h = lax.reduce_window(h, 0.0, lax.add, (1, 2, 1), (1, 1, 1), 'SAME')
  return jnp.tanh(h.mean(1)) @ w


@case({}, v=(3, 1, 6), w=(3, 2))
def pooled_channels_are_fixed(x, v, w):
  h = conv(x[..., None], v)
  h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2), (1, 1, 2), 'VALID')
  return h.mean(1) @ w


# Looking up and writing.

TOKENS = np.array([1, 0, 4, 4], np.int32)


@case({'e:1': 6}, e=(5, 6), u=(6, 6))
def a_tied_embedding(x, e, u):
  h = jnp.take(e, TOKENS, axis=0)
  return jnp.tanh(h @ u + h) @ e.T + x.sum()


@case({'e:2': 6}, e=(D, 5, 6), w=(6, 2))
def rows_of_a_batch_are_looked_up(x, e, w):
  h = jnp.einsum('bd,dvf->bvf', x, e)
  at = jnp.argmax(h.sum(-1), -1)[:, None, None]
  return jnp.tanh(jnp.take_along_axis(h, at, 1)[:, 0]) @ w


@case({}, v=(D, 6), w=(3, 2))
def channels_that_are_looked_up_are_fixed(x, v, w):
  return jnp.tanh((x @ v)[:, np.array([2, 0, 1], np.int32)]) @ w


@case({'v:1': 6}, **MLP)
def sums_by_segment_pass(x, v, w):
  h = jnp.zeros((5, 6), x.dtype).at[TOKENS].add(jnp.tanh(x @ v))
  return jnp.tanh(h) @ w


@case({}, **MLP)
def channels_that_are_written_are_fixed(x, v, w):
  return (x @ v).at[:, np.array([1, 2], np.int32)].add(1.0) @ w


@case({'v:1': 6}, **MLP)
def a_slice_at_a_computed_place(x, v, w):
  h = jnp.tanh(x @ v)
  row = lax.dynamic_slice_in_dim(h, jnp.argmax(x[:, 0]), 1, 0)
  return lax.dynamic_update_slice_in_dim(h, row * 2, 1, 0) @ w


@case({}, v=(D, 6), w=(2, 2))
def channels_at_a_computed_place_are_fixed(x, v, w):
  h = jnp.tanh(x @ v)
  return lax.dynamic_slice_in_dim(h, jnp.argmax(x[0]), 2, 1) @ w


@case({}, u=(D, 2), **MLP)
def channels_written_at_a_computed_place_are_fixed(x, u, v, w):
  at = jnp.argmax(x[0])
  return lax.dynamic_update_slice_in_dim(x @ v, jnp.tanh(x @ u), at, 1) @ w


@pytest.mark.parametrize('name', CASES)
def test_rule(name):
  CASES[name].check()
