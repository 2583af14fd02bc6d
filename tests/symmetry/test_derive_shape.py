"""Axes are put together and taken apart, and keep their permutations."""

import jax
import jax.numpy as jnp
import programs
import pytest
from jax import lax

B = programs.B
D = programs.D
MLP = programs.MLP
CASES = programs.Cases()
case = CASES.case


# Products of classes.


@case({'v:1.0': 2, 'v:1.1': (3, 'v:1.0')}, **MLP)
def an_axis_is_divided_into_groups(x, v, w):
  h = (x @ v).reshape(B, 2, 3)
  h = jnp.tanh(h / (1 + (h * h).sum(-1, keepdims=True)))
  return h.reshape(B, 6) @ w


@case({'v:1.0': 2, 'v:1.1': 3}, s=(3,), **MLP)
def a_scale_shared_by_heads_has_one_permutation(x, v, w, s):
  h = (x @ v).reshape(B, 2, 3) * s[None, None]
  return jnp.tanh(h / (1 + h.sum(-1, keepdims=True) ** 2)).reshape(B, 6) @ w


@case({'v:1.0': (2, 'v:1.1'), 'v:1.1': 3}, v=(D, 6), w=(3, 2))
def heads_that_are_summed_may_differ_by_unit(x, v, w):
  return jnp.tanh((x @ v).reshape(B, 2, 3)).sum(1) @ w


@case({'w:0.1': 3}, w=(6, 2))
def an_image_is_flattened(x, w):
  h = jnp.tanh(x[:, :2, None] * w.reshape(2, 3, 2).sum(-1)[None])
  return h.reshape(B, 6) @ w


@case({}, notes=1, **MLP)
def factors_without_a_refinement_are_fixed_and_noted(x, v, w):
  h = x @ v
  tall, wide = h.reshape(B, 3, 2), h.reshape(B, 2, 3)
  h = tall / (1 + (tall * tall).sum(1, keepdims=True))
  g = wide / (1 + (wide * wide).sum(2, keepdims=True))
  return jnp.tanh(h.reshape(B, 6)) @ w + jnp.tanh(g.reshape(B, 6)) @ w


@case(
  {'v:1.0': (2, 'v:1.1', 'v:1.2'), 'v:1.1': (2, 'v:1.2'), 'v:1.2': 3},
  v=(D, 12),
  w=(12, 2),
)
def factors_are_refined(x, v, w):
  h = x @ v
  fine, coarse = h.reshape(B, 4, 3), h.reshape(B, 2, 6)
  fine = jnp.tanh(fine / (1 + (fine * fine).sum(1, keepdims=True)))
  coarse = jnp.tanh(coarse / (1 + (coarse * coarse).sum(1, keepdims=True)))
  return (fine.reshape(B, 12) + coarse.reshape(B, 12)) @ w


@case({'v:1': 3, 'w:0.1': (2, 'v:1')}, v=(D, 3), w=(6, 2))
def a_repeated_axis_is_a_factor(x, v, w):
  return jnp.tanh(jnp.repeat(x @ v, 2, axis=1)) @ w


@case({'v:1': 3, 'w:0.0': (2, 'v:1')}, v=(D, 3), w=(6, 2))
def a_tiled_axis_is_a_factor(x, v, w):
  return jnp.tanh(jnp.tile(x @ v, (1, 2))) @ w


@case({'v:1.0': 3}, **MLP)
def every_other_entry_is_a_factor(x, v, w):
  h = x @ v
  even, odd = h[:, ::2], h[:, 1::2]
  return jnp.stack([even - odd, even * odd], -1).reshape(B, 6) @ w


# Concatenations of classes.


@case({'u:1': 4, 'v:1': 6}, u=(D, 4), v=(D, 6), w=(10, 2), g=(10,))
def segments_keep_their_own_permutations(x, u, v, w, g):
  h = jnp.concatenate([x @ u, x @ v], -1)
  return jnp.tanh((h - h.mean(-1, keepdims=True)) * g[None]) @ w


@case({'v:1.0': 3}, v=(D, 6), w=(3, 2))
def the_halves_of_a_gated_unit_are_one_class(x, v, w):
  gate, up = jnp.split(x @ v, 2, -1)
  return (jax.nn.silu(gate) * up) @ w


@case({'v:1.0': 2, 'v:1.1': 4}, v=(D, 6), w=(4, 2))
def unequal_segments(x, v, w):
  h = x @ v
  return jnp.tanh(h[:, 2:] * h[:, :2].sum(1, keepdims=True)) @ w


@case({'v:1.0': 2, 'v:1.1': 2, 'v:1.2': 2}, u=(D, 6), **MLP)
def segments_are_refined(x, u, v, w):
  one, two = (x @ v)[:, :2], (x @ v)[:, 2:]
  three, four = (x @ u)[:, :4], (x @ u)[:, 4:]
  h = jnp.concatenate([one, two], -1) + jnp.concatenate([three, four], -1)
  return jnp.tanh(h) @ w


@case({'w:0.0': 3}, notes=1, w=(6, 2))
def a_part_that_is_not_used_is_fixed_and_noted(x, w):
  return jnp.tanh(x.sum(1)[:, None] * w[None, :3, 0]) @ w[:3]


@case({'v:1': 4}, v=(D, 4), w=(6, 2))
def padding_is_a_segment(x, v, w):
  h = jnp.pad(x @ v, ((0, 0), (1, 1)))
  return jnp.tanh(h) @ w


@case({'v:1': 4, 'w:0.0': 3}, v=(D, 4), b=(7,), w=(7, 2))
def padding_of_a_narrow_shortcut(x, v, b, w):
  return jnp.tanh(jnp.pad(x @ v, ((0, 0), (3, 0))) + b[None]) @ w


@case({}, v=(D, 6), w=(5, 2))
def an_axis_cut_by_padding_is_fixed(x, v, w):
  return lax.pad(x @ v, jnp.zeros((), x.dtype), ((0, 0, 0), (0, -1, 0))) @ w


@case({}, v=(D, 4), u=(D, 7), w=(7, 2))
def an_axis_with_padding_between_is_fixed(x, v, u, w):
  h = lax.pad(x @ v, jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 1)))
  return jnp.tanh(h + x @ u) @ w


QKV = {'qkv:1.0': 2, 'qkv:1.1': (3, 'qkv:1.0'), 'qkv:1.5': (3, 'qkv:1.0')}


def attention(q, k, v):
  a = jax.nn.softmax(jnp.einsum('qhd,khd->hqk', q, k))
  return jnp.einsum('hqk,khd->qhd', a, v).reshape(B, 6)


@case(QKV, qkv=(D, 18), w=(6, 2))
def a_fused_projection_is_split(x, qkv, w):
  parts = jnp.split(x @ qkv, 3, -1)
  return attention(*(part.reshape(B, 2, 3) for part in parts)) @ w


@case(QKV, qkv=(D, 18), w=(6, 2))
def a_fused_projection_is_reshaped_and_taken_apart(x, qkv, w):
  parts = (x @ qkv).reshape(B, 3, 2, 3).transpose(1, 0, 2, 3)
  return attention(*parts) @ w


@case(
  {'qkv:1.0': 2, 'qkv:1.1': (3, 'qkv:1.0'), 'qkv:1.3': (3, 'qkv:1.0')},
  qkv=(D, 18),
  w=(6, 2),
)
def a_fused_projection_by_heads(x, qkv, w):
  return attention(*jnp.split((x @ qkv).reshape(B, 2, 9), 3, -1)) @ w


@case({'v:1.0': 3}, **MLP)
def a_fold_that_is_used_whole_as_well_is_one_class(x, v, w):
  h = (x @ v).reshape(B, 2, 3)
  a, b = h[:, 0], h[:, 1]
  return jnp.tanh(a * b - b) @ w[:3] + (h.sum(1) @ w[3:])


@pytest.mark.parametrize('name', CASES)
def test_rule(name):
  CASES[name].check()
