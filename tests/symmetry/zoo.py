"""Small models of many kinds, for derivations to be tried on.

Each maker returns `(apply, variables, inputs)`, with no leaf at its initial
value, so that no wrong permutation of zeros or ones is hidden. Widths differ
where they may. `FULL` has models of full size, as shapes only.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from paramspace import trees


class Model(NamedTuple):
  """A function, its parameters, and inputs to try it on."""

  apply: Callable[..., Any]
  variables: Any
  inputs: tuple[Any, ...]


def filled(shapes):
  """Returns a tree of these shapes, its entries random by leaf name."""
  leaves = {}
  for name, x in trees.named(shapes).items():
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noise = rng.normal(size=x.shape)
    if name.endswith('var'):
      noise = rng.uniform(0.5, 1.5, x.shape)
    elif name.endswith('scale'):
      noise = 1 + 0.3 * noise
    elif len(x.shape) < 2:
      noise = 0.3 * noise
    else:
      noise = noise / np.sqrt(x.size / x.shape[-1])
    leaves[name] = jnp.asarray(noise, x.dtype)
  return jax.tree.unflatten(jax.tree.structure(shapes), list(leaves.values()))


def shaped(module, *inputs, **static):
  """Returns a Linen model's function, its variables' shapes, and inputs."""
  init = functools.partial(module.init, jax.random.key(0), **static)
  shapes = jax.eval_shape(init, *inputs)
  apply = lambda variables, *x: module.apply(variables, *x, **static)
  return Model(apply, shapes, inputs)


def linen(module, *inputs, **static):
  model = shaped(module, *inputs, **static)
  return model._replace(variables=filled(model.variables))


def normal(*shape):
  rng = np.random.default_rng(sum(shape))
  return jnp.asarray(rng.normal(size=shape), jnp.float32)


def tokens(vocabulary, *shape):
  rng = np.random.default_rng(0)
  return jnp.asarray(rng.integers(vocabulary, size=shape), jnp.int32)


class Mlp(nn.Module):
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, x):
    for width in self.widths[:-1]:
      x = nn.relu(nn.Dense(width)(x))
    return nn.Dense(self.widths[-1])(x)


def averaged(x):
  """Returns means of 2x2 pixels; Flax's divides by an integer."""
  return nn.pool(x, 0.0, jax.lax.add, (2, 2), (2, 2), 'VALID') / 4.0


class LeNet(nn.Module):
  @nn.compact
  def __call__(self, x):
    for width in (6, 8):
      x = nn.tanh(nn.Conv(width, (3, 3), padding='VALID')(x))
      x = averaged(x)
    return Mlp((12, 10, 3))(x.reshape(x.shape[0], -1))


class Vgg(nn.Module):
  @nn.compact
  def __call__(self, x):
    for width in (4, 6):
      x = nn.relu(nn.LayerNorm()(nn.Conv(width, (3, 3))(x)))
      x = nn.max_pool(x, (2, 2), (2, 2))
    return Mlp((10, 3))(x.reshape(x.shape[0], -1))


NORMS = {
  'batch': functools.partial(nn.BatchNorm, use_running_average=True),
  'group': functools.partial(nn.GroupNorm, num_groups=2),
  'layer': nn.LayerNorm,
}


class Residual(nn.Module):
  """ResNet-20's block; the shortcut is a 3x3 convolution."""

  width: int
  stride: int
  norm: str

  @nn.compact
  def __call__(self, x):
    conv = functools.partial(nn.Conv, kernel_size=(3, 3), use_bias=False)
    strides = (self.stride, self.stride)
    y = nn.relu(NORMS[self.norm]()(conv(self.width, strides=strides)(x)))
    y = NORMS[self.norm]()(conv(self.width)(y))
    if self.stride > 1:
      x = NORMS[self.norm]()(conv(self.width, strides=strides)(x))
    return nn.relu(x + y)


class ResNet20(nn.Module):
  widths: tuple[int, int, int]
  norm: str

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(self.widths[0], (3, 3), use_bias=False)(x)
    x = nn.relu(NORMS[self.norm]()(x))
    for stage, width in enumerate(self.widths):
      for block in range(3):
        stride = 2 if stage and not block else 1
        x = Residual(width, stride, self.norm)(x)
    return nn.Dense(3)(x.mean((1, 2)))


class Bottleneck(nn.Module):
  width: int
  out: int
  stride: int
  project: bool
  norm: str

  @nn.compact
  def __call__(self, x):
    conv = functools.partial(nn.Conv, use_bias=False)
    norm = NORMS[self.norm]
    strides = (self.stride, self.stride)
    y = nn.relu(norm()(conv(self.width, (1, 1))(x)))
    y = nn.relu(norm()(conv(self.width, (3, 3), strides)(y)))
    y = norm()(conv(self.out, (1, 1))(y))
    if self.project:
      x = norm()(conv(self.out, (1, 1), strides)(x))
    return nn.relu(x + y)


class ResNet50(nn.Module):
  """Stages of bottlenecks; (3, 4, 6, 3) of them in the ResNet-50 itself."""

  blocks: tuple[int, ...]
  widths: tuple[int, ...]
  outs: tuple[int, ...]
  classes: int
  norm: str

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(self.widths[0], (7, 7), (2, 2), use_bias=False)(x)
    x = nn.relu(NORMS[self.norm]()(x))
    x = nn.max_pool(x, (3, 3), (2, 2), 'SAME')
    stages = zip(self.blocks, self.widths, self.outs, strict=True)
    for stage, (blocks, width, out) in enumerate(stages):
      for block in range(blocks):
        stride = 2 if stage and not block else 1
        x = Bottleneck(width, out, stride, not block, self.norm)(x)
    return nn.Dense(self.classes)(x.mean((1, 2)))


class Mobile(nn.Module):
  """Depthwise convolution with squeeze-excite, then one in two groups."""

  @nn.compact
  def __call__(self, x):
    x = nn.relu(NORMS['batch']()(nn.Conv(8, (1, 1))(x)))
    x = nn.swish(nn.Conv(8, (3, 3), feature_group_count=8)(x))
    squeezed = nn.swish(nn.Dense(5)(x.mean((1, 2), keepdims=True)))
    x = x * nn.sigmoid(nn.Dense(8)(squeezed))
    x = nn.relu(nn.Conv(6, (1, 1))(x))
    x = nn.relu(nn.Conv(10, (3, 3), feature_group_count=2)(x))
    return nn.Dense(3)(x.mean((1, 2)))


class DenseNet(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = nn.Conv(5, (3, 3))(x)
    for block, growth in enumerate((3, 4)):
      for _ in range(2):
        new = nn.Conv(growth, (3, 3))(nn.relu(NORMS['batch']()(x)))
        x = jnp.concatenate([x, new], -1)
      if not block:
        x = averaged(nn.Conv(6, (1, 1))(x))
    return nn.Dense(3)(nn.relu(NORMS['batch']()(x)).mean((1, 2)))


class UNet(nn.Module):
  @nn.compact
  def __call__(self, x):
    skips = []
    for width in (4, 6):
      x = nn.relu(nn.Conv(width, (3, 3))(x))
      skips.append(x)
      x = nn.max_pool(x, (2, 2), (2, 2))
    x = nn.relu(nn.Conv(8, (3, 3))(x))
    for up, width in ((5, 7), (3, 9)):
      x = nn.ConvTranspose(up, (2, 2), (2, 2))(x)
      x = jnp.concatenate([x, skips.pop()], -1)
      x = nn.relu(nn.Conv(width, (3, 3))(x))
    return nn.Conv(2, (1, 1))(x)


class Vit(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = nn.Conv(8, (4, 4), (4, 4), padding='VALID')(x)
    x = x.reshape(x.shape[0], -1, 8)
    first = self.param('cls', nn.initializers.zeros, (1, 1, 8))
    first = jnp.broadcast_to(first, (x.shape[0], 1, 8))
    x = jnp.concatenate([first, x], 1)
    x = x + self.param('position', nn.initializers.zeros, (1, x.shape[1], 8))
    attend = nn.MultiHeadDotProductAttention(2, qkv_features=6)
    x = x + attend(nn.LayerNorm()(x))
    x = x + nn.Dense(8)(nn.gelu(nn.Dense(10)(nn.LayerNorm()(x))))
    return nn.Dense(3)(nn.LayerNorm()(x)[:, 0])


def attended(scores, values):
  """Returns causal attention; `scores` [b, h, q, k], `values` [b, k, h, v]."""
  length = scores.shape[-1]
  causal = jnp.tril(jnp.ones((length, length), bool))[None, None]
  scores = jnp.where(causal, scores, jnp.finfo(scores.dtype).min)
  return jnp.einsum('bhqk,bkhv->bqhv', nn.softmax(scores), values)


class Gpt(nn.Module):
  """Learned positions, LayerNorm, q, k, v separate or split from one."""

  layers: int
  dim: int
  heads: int
  inner: int
  hidden: int
  vocabulary: int
  fused: bool = False

  @nn.compact
  def __call__(self, t):
    size = self.heads * self.inner
    x = nn.Embed(self.vocabulary, self.dim)(t)
    x = x + nn.Embed(t.shape[1], self.dim)(jnp.arange(t.shape[1]))[None]
    for _ in range(self.layers):
      y = nn.LayerNorm()(x)
      if self.fused:
        qkv = jnp.split(nn.Dense(3 * size)(y), 3, -1)
      else:
        qkv = [nn.Dense(size)(y) for _ in range(3)]
      q, k, v = (a.reshape(*t.shape, self.heads, self.inner) for a in qkv)
      scores = jnp.einsum('bqhd,bkhd->bhqk', q, k) / self.inner**0.5
      x = x + nn.Dense(self.dim)(attended(scores, v).reshape(*t.shape, size))
      y = nn.gelu(nn.Dense(self.hidden)(nn.LayerNorm()(x)))
      x = x + nn.Dense(self.dim)(y)
    return nn.Dense(self.vocabulary)(nn.LayerNorm()(x))


def rotated(x):
  """Returns rotary positions; `x` is [b, t, ..., 2 n]."""
  n = x.shape[-1] // 2
  frequencies = 100.0 ** -(jnp.arange(n, dtype=x.dtype) / n)
  times = jnp.arange(x.shape[1], dtype=x.dtype)
  angles = times[:, None] * frequencies[None]
  angles = angles.reshape(1, -1, *[1] * (x.ndim - 3), n)
  a, b = jnp.split(x, 2, -1)
  sin, cos = jnp.sin(angles), jnp.cos(angles)
  return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


class Llama(nn.Module):
  """Tied embedding, fused qkv, SwiGLU, RMSNorm, rotary, grouped queries."""

  layers: int = 2
  dim: int = 9
  groups: int = 2  # Of queries, with a key and a value each.
  queries: int = 3
  inner: int = 4
  values: int = 5
  hidden: int = 7

  @nn.compact
  def __call__(self, t):
    embed = nn.Embed(11, self.dim)
    x = embed(t)
    for _ in range(self.layers):
      x = x + self.attention(nn.RMSNorm()(x))
      gate, up = jnp.split(
        nn.Dense(2 * self.hidden, use_bias=False)(nn.RMSNorm()(x)), 2, -1
      )
      x = x + nn.Dense(self.dim, use_bias=False)(nn.silu(gate) * up)
    return embed.attend(nn.RMSNorm()(x))

  def attention(self, x):
    g, r, d, e = self.groups, self.queries, self.inner, self.values
    sizes = np.cumsum([g * r * d, g * d, g * e])
    fused = nn.Dense(int(sizes[-1]), use_bias=False)(x)
    q, k, v = jnp.split(fused, sizes[:-1], -1)
    q = rotated(q.reshape(*x.shape[:2], g, r, d))
    k = rotated(k.reshape(*x.shape[:2], g, d))
    v = v.reshape(*x.shape[:2], g, e)
    scores = jnp.einsum('bqgrd,bkgd->bgrqk', q, k) / d**0.5
    causal = jnp.tril(jnp.ones(scores.shape[-2:], bool))[None, None, None]
    scores = jnp.where(causal, scores, jnp.finfo(x.dtype).min)
    y = jnp.einsum('bgrqk,bkge->bqgre', nn.softmax(scores), v)
    return nn.Dense(self.dim, use_bias=False)(y.reshape(*x.shape[:2], -1))


class Mixture(nn.Module):
  """Experts, weighted by all of a softmax or by its `top` largest."""

  top: int | None = None

  @nn.compact
  def __call__(self, x):
    x = nn.relu(nn.Dense(6)(x))
    weights = nn.Dense(3)(x)
    if self.top:
      largest, index = jax.lax.top_k(weights, self.top)
      chosen = jax.nn.one_hot(index, 3, dtype=x.dtype)
      weights = jnp.einsum('bk,bke->be', nn.softmax(largest), chosen)
    else:
      weights = nn.softmax(weights)
    up = self.param('up', nn.initializers.zeros, (3, 6, 7))
    down = self.param('down', nn.initializers.zeros, (3, 7, 6))
    hidden = nn.gelu(jnp.einsum('bd,edf->bef', x, up))
    x = x + jnp.einsum('bef,efd,be->bd', hidden, down, weights)
    return nn.Dense(2)(x)


class Lstm(nn.Module):
  @nn.compact
  def __call__(self, x):
    cell = nn.OptimizedLSTMCell(6)
    zeros = jnp.zeros((x.shape[0], 6), x.dtype)  # Its own are in float32.
    x = nn.RNN(cell)(x, initial_carry=(zeros, zeros))
    return nn.Dense(3)(x[:, -1])


class Block(nn.Module):
  @nn.compact
  def __call__(self, x, _):
    heads = nn.MultiHeadDotProductAttention(2, qkv_features=6, use_bias=False)
    x = x + heads(nn.LayerNorm()(x))
    y = nn.gelu(nn.Dense(10)(nn.LayerNorm()(x)))
    return x + nn.Dense(8)(y), None


class Stacked(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = nn.Dense(8)(x)
    split = {'variable_axes': {'params': 0}, 'split_rngs': {'params': True}}
    x, _ = nn.scan(Block, length=3, **split)()(x, None)
    return nn.Dense(2)(x)


class NnxNet(nnx.Module):
  def __init__(self, rngs):
    self.first = nnx.Linear(4, 7, rngs=rngs)
    self.norm = nnx.BatchNorm(7, use_running_average=True, rngs=rngs)
    self.last = nnx.Linear(7, 3, rngs=rngs)

  def __call__(self, x):
    return self.last(nnx.relu(self.norm(self.first(x))))


def nnx_net():
  graph, state = nnx.split(nnx.eval_shape(lambda: NnxNet(nnx.Rngs(0))))

  def apply(params, x):
    new = jax.tree.map(lambda x: x, state)
    nnx.replace_by_pure_dict(new, params)
    return nnx.merge(graph, new)(x)

  return Model(apply, filled(nnx.to_pure_dict(state)), (normal(5, 4),))


def equinox(make, call, *inputs):
  is_array = lambda x: isinstance(x, jax.ShapeDtypeStruct)
  shapes, rest = eqx.partition(eqx.filter_eval_shape(make), is_array)
  apply = lambda params, *x: call(eqx.combine(params, rest), *x)
  return Model(apply, filled(shapes), inputs)


def equinox_mlp():
  make = lambda: eqx.nn.MLP(4, 3, 6, depth=2, key=jax.random.key(0))
  return equinox(make, lambda model, x: jax.vmap(model)(x), normal(5, 4))


def equinox_attention():
  make = lambda: eqx.nn.MultiheadAttention(
    2, 8, qk_size=3, vo_size=5, use_query_bias=True, key=jax.random.key(0)
  )
  return equinox(make, lambda model, x: model(x, x, x), normal(7, 8))


def resnet20(norm):
  return linen(ResNet20((4, 6, 10), norm), normal(2, 8, 8, 3))


def resnet50(norm):
  model = ResNet50((2, 1), (4, 6), (8, 10), 3, norm)
  if norm != 'batch':
    model = ResNet50((2,), (4,), (8,), 3, norm)
  return linen(model, normal(2, 12, 12, 3))


# By name, what makes the model.
MODELS = {
  'mlp': lambda: linen(Mlp((5, 6, 7, 3)), normal(4, 4)),
  'lenet': lambda: linen(LeNet(), normal(2, 14, 14, 1)),
  'vgg_layer': lambda: linen(Vgg(), normal(2, 8, 8, 3)),
  **{f'resnet20_{n}': functools.partial(resnet20, n) for n in NORMS},
  **{f'resnet50_{n}': functools.partial(resnet50, n) for n in NORMS},
  'mobile': lambda: linen(Mobile(), normal(2, 6, 6, 3)),
  'densenet': lambda: linen(DenseNet(), normal(2, 6, 6, 3)),
  'unet': lambda: linen(UNet(), normal(2, 8, 8, 3)),
  'vit': lambda: linen(Vit(), normal(2, 8, 8, 3)),
  'gpt': lambda: linen(Gpt(1, 8, 2, 3, 10, 11), tokens(11, 2, 5)),
  'gpt_fused': lambda: linen(Gpt(1, 8, 2, 3, 10, 11, True), tokens(11, 2, 5)),
  'llama': lambda: linen(Llama(), tokens(11, 2, 6)),
  'mixture': lambda: linen(Mixture(), normal(8, 4)),
  'mixture_top': lambda: linen(Mixture(2), normal(8, 4)),
  'lstm': lambda: linen(Lstm(), normal(2, 5, 4)),
  'stacked': lambda: linen(Stacked(), normal(4, 5)),
  'nnx': nnx_net,
  'equinox_mlp': equinox_mlp,
  'equinox_attention': equinox_attention,
}


def full_resnet50():
  widths = (64, 128, 256, 512)
  outs = (256, 512, 1024, 2048)
  model = ResNet50((3, 4, 6, 3), widths, outs, 1000, 'batch')
  return shaped(model, jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))


def full_gpt():
  model = Gpt(12, 768, 12, 64, 3072, 50257, True)
  return shaped(model, jax.ShapeDtypeStruct((1, 1024), jnp.int32))


# Shapes alone, in place of arrays.
FULL = {'resnet50': full_resnet50, 'gpt': full_gpt}
