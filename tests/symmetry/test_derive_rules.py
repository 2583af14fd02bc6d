"""Each rule leaves the groups that a program has, and these change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from paramspace import symmetry

B, D = 4, 3  # Of the input.
CASES = {}


def case(groups, notes=0, **shapes):
  """Registers a program, the groups it has, and the shapes of its leaves.

  Groups are `{name: size}` or `{name: (size, over, ...)}`.
  """

  def register(apply):
    wanted = {
      name: group if isinstance(group, tuple) else (group,)
      for name, group in groups.items()
    }
    CASES[apply.__name__] = apply, shapes, wanted, notes
    return apply

  return register


MLP = {'v': (D, 6), 'w': (6, 2)}
ONE = {'v:1': 6}


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
  {'v:1.0': (2, 'v:1.2'), 'v:1.1': (2, 'v:1.2'), 'v:1.2': 3},
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


@case({'a:0': (2, 'a:1'), 'a:2': (5, 'a:1')}, a=(2, 3, 5), b=(5, 3, 2))
def an_index_that_is_not_permuted_comes_first(x, a, b):
  h = jnp.tanh(x.sum(0)[None, :, None] * a)
  return (h * b.transpose(2, 1, 0)).sum((0, 2))


def drawn(*shape):
  rng = np.random.default_rng(sum(shape))
  return jnp.asarray(rng.normal(size=shape), jnp.float32)


@pytest.mark.parametrize('name', CASES)
def test_rule(name):
  program, shapes, groups, notes = CASES[name]
  params = {leaf: drawn(*shape) for leaf, shape in shapes.items()}
  apply, x = lambda p, x: program(x, **p), drawn(B, D)
  spec = symmetry.derive(apply, params, x)
  found = {n: (g.size, *g.over) for n, g in spec.groups.items() if g.moves}
  assert found == groups, spec.leaves
  assert len(spec.notes) == notes, spec.notes
  if groups:
    symmetry.verify(apply, params, spec, x, seeds=1)
