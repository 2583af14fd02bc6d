"""Random programs: whatever is derived of them leaves them as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from paramspace import symmetry

B, T = 2, 4


class Program:
  """Draws a program of `[B, T, width]` values; runs it, or lists its leaves."""

  def __init__(self, seed, params=None):
    self.rng = np.random.default_rng(seed)
    self.params, self.shapes = params, {}

  def leaf(self, *shape):
    name = f'w{len(self.shapes)}'
    self.shapes[name] = shape
    return jnp.ones(shape) if self.params is None else self.params[name]

  def __call__(self, x, steps=6):
    values = [jnp.tanh(x @ self.leaf(x.shape[-1], 12))]
    for _ in range(steps):
      step = STEPS[self.rng.integers(len(STEPS))]
      h = values[self.rng.integers(max(0, len(values) - 2), len(values))]
      new = jnp.tanh(step(self, h))
      same = [v for v in values if v.shape == new.shape]
      if same and self.rng.random() < 0.6:
        new = new + same[self.rng.integers(len(same))]
      values.append(new)
    last = values[-3:]
    return sum(jnp.tanh(h @ self.leaf(h.shape[-1], 2)) for h in last)


def dense(p, h):
  return h @ p.leaf(h.shape[-1], int(p.rng.choice([6, 12])))


def square(p, h):
  return h @ p.leaf(h.shape[-1], h.shape[-1])


def scaled(p, h):
  return h * p.leaf(h.shape[-1])[None, None]


def scaled_by_head(p, h):
  n = 2 if p.rng.random() < 0.5 else 3
  scale = p.leaf(n) if p.rng.random() < 0.5 else p.leaf(n, h.shape[-1] // n)
  scale = scale.reshape(1, 1, n, -1)
  return (h.reshape(B, T, n, -1) * scale).reshape(h.shape)


def scaled_within(p, h):
  scale = p.leaf(h.shape[-1] // 2)[None, None, None]
  return (h.reshape(B, T, 2, -1) * scale).reshape(h.shape)


def normed(p, h):
  return h / (1 + (h * h).sum(-1, keepdims=True))


def grouped(p, h):
  g = h.reshape(B, T, int(p.rng.choice([2, 3])), -1)
  return (g / (1 + (g * g).sum((1, 3), keepdims=True))).reshape(h.shape)


def strided(p, h):
  g = h.reshape(B, T, -1, 2)
  return (g / (1 + (g * g).sum(2, keepdims=True))).reshape(h.shape)


def gated(p, h):
  a, b = jnp.split(h @ p.leaf(h.shape[-1], 24), 2, -1)
  return a * jnp.exp(b / 9)


def joined(p, h):
  half = h.shape[-1] // 2
  new = h @ p.leaf(h.shape[-1], half)
  return jnp.concatenate([new, h[..., :half]], -1)


def swapped(p, h):
  half = h.shape[-1] // 2
  return jnp.concatenate([h[..., half:], h[..., :half]], -1)


def attended(p, h):
  qkv = (h @ p.leaf(h.shape[-1], 36)).reshape(B, T, 3, 2, 6)
  if p.rng.random() < 0.5:
    qkv = qkv * p.leaf(6)[None, None, None, None]
  q, k, v = (qkv[:, :, i] for i in range(3))
  a = jax.nn.softmax(jnp.einsum('bqhd,bkhd->bhqk', q, k))
  return jnp.einsum('bhqk,bkhd->bqhd', a, v).reshape(B, T, 12)


def convolved(p, h):
  n = h.shape[-1]
  groups = int(p.rng.choice([1, 2, 3, n]))
  return lax.conv_general_dilated(
    h,
    p.leaf(3, n // groups, n),
    (1,),
    'SAME',
    dimension_numbers=('NWC', 'WIO', 'NWC'),
    feature_group_count=groups,
  )


def running(p, h):
  return jnp.cumsum(h, int(p.rng.choice([1, 1, 1, 2])))


def rolled(p, h):
  return jnp.roll(h, 2, int(p.rng.choice([1, 1, 2])))


def padded(p, h):
  return jnp.pad(h, ((0, 0), (0, 0), (0, 12 - h.shape[-1])))


def repeated(p, h):
  return jnp.repeat(h, 12 // h.shape[-1], axis=2)


def pooled(p, h):
  window = (1, 2, 1) if p.rng.random() < 0.7 else (1, 1, 2)
  return lax.reduce_window(h, 0.0, lax.add, window, (1, 1, 1), 'SAME')


def recurred(p, h):
  u = p.leaf(h.shape[-1], h.shape[-1])
  step = lambda c, x: (jnp.tanh(c @ u + x),) * 2
  zeros = jnp.zeros((B, h.shape[-1]), h.dtype)
  return lax.scan(step, zeros, h.swapaxes(0, 1))[1].swapaxes(0, 1)


def stacked(p, h):
  up, down = p.leaf(3, h.shape[-1], 5), p.leaf(3, 5, h.shape[-1])
  scale = p.leaf(5) if p.rng.random() < 0.3 else jnp.ones(5, h.dtype)

  def step(h, ud):
    return h + jnp.tanh(h @ ud[0]) * scale[None, None] @ ud[1], None

  return lax.scan(step, h, (up, down))[0]


def experts(p, h):
  weights = jax.nn.softmax(h @ p.leaf(h.shape[-1], 3))
  up, down = p.leaf(3, h.shape[-1], 4), p.leaf(3, 4, h.shape[-1])
  if p.rng.random() < 0.3:
    weights = jnp.cumsum(weights, -1)
  hidden = jnp.tanh(jnp.einsum('btd,edf->btef', h, up))
  if p.rng.random() < 0.3:
    hidden = hidden + hidden.sum(2, keepdims=True)
  return jnp.einsum('bte,btef,efd->btd', weights, hidden, down)


def factored(p, h):
  return h @ p.leaf(h.shape[-1] * 12).reshape(h.shape[-1], 12)


STEPS = [
  dense, square, scaled, scaled_by_head, scaled_within, normed, grouped,
  strided, gated, joined, swapped, attended, convolved, running, rolled,
  padded, repeated, pooled, recurred, stacked, experts, factored,
]  # fmt: skip


@pytest.mark.parametrize('seed', range(4))
def test_a_random_program_stays_the_same(seed):
  rng = np.random.default_rng(seed)
  x = jnp.asarray(rng.normal(size=(B, T, 3)), jnp.float32)
  listed = Program(seed)
  jax.eval_shape(listed, x)
  params = {
    name: jnp.asarray(rng.normal(size=shape) / shape[0] ** 0.5, jnp.float32)
    for name, shape in listed.shapes.items()
  }
  apply = lambda params, x: Program(seed, params)(x)
  spec = symmetry.derive(apply, params, x)
  if spec.groups:
    symmetry.verify(apply, params, spec, x, seeds=1)
