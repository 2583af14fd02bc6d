"""The balanced, signed one-hot map from `d` coordinates to `D` weights.

A tape is a row of rolled copies of z, one after another,

  roll(z, r_0), roll(z, r_1), roll(z, r_2), ...

A weight reads one cell of a tape, and flips its sign or not. Every `d` cells
from a multiple of `d` hold each coordinate once, so a tape that is read in
order uses all coordinates equally, and no index array is needed.

Short leaves read one common tape, in the order of their names. A long leaf has
a tape of its own, of which each cell is read by eight weights, one below the
other, with signs of their own, the bits of one byte: the sum over them in the
backward pass then streams through memory. Its last weights read what is left of
the last roll, eight times, and then go on with the common tape. So among all D
weights every coordinate is used floor(D/d) or ceil(D/d) times.
"""

import functools
import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.reparam import _linear

COPIES = 8  # Weights per cell of a long leaf's tape, one bit each.
BITS = 1 << np.arange(COPIES, dtype=np.uint8)
WIDTH = 128  # Columns of a long leaf as a matrix, at least.
LONG = 1 << 18  # From here on a leaf is long, even if it is no such matrix.

Shapes = Mapping[str, tuple[int, ...]]


class Tiles(NamedTuple):
  """The frozen draw, an eighth of a byte per weight.

  Attributes:
    signs: By leaf, uint8, one bit a weight; `[ceil(D_l / 8)]`.
    rolls: By long leaf, how far each roll of its tape is rolled, int32; and at
      the name '' the same for the common tape.
  """

  signs: dict[str, jax.Array]
  rolls: dict[str, jax.Array]


class _Plan(NamedTuple):
  """How one leaf reads.

  Attributes:
    width: Columns of the head, a matrix of `[blocks, 8, width]`.
    blocks: Blocks that read the leaf's own tape; 0 for a short leaf.
    left: Cells from there to the end of the tape's last roll.
    rest: Weights that read the common tape.
    even: Whether the tail, all that is not the head, has that form too.
  """

  width: int
  blocks: int
  left: int
  rest: int
  even: bool

  @property
  def cells(self) -> int:
    return self.blocks * self.width


def _plan(shape: tuple[int, ...], dim: int) -> _Plan:
  size, width = math.prod(shape), _width(shape)
  even = size % (COPIES * width) == 0
  if size < 4 * COPIES * dim or (not even and size < LONG):
    return _Plan(width, 0, 0, size, even)
  width = width if even else 8 * WIDTH
  blocks = (size - COPIES * dim) // (COPIES * width)
  left = -(blocks * width) % dim
  rest = size - COPIES * (blocks * width + left)
  return _Plan(width, blocks, left, rest, even)


@functools.cache
def _width(shape: tuple[int, ...]) -> int:
  """Returns a product of trailing axes, or parts of them, of about `WIDTH`."""
  width = 1
  for n in reversed(shape):
    parts = (f for f in range(1, n + 1) if n % f == 0 and width * f >= WIDTH)
    width *= next(parts, n)
  return width


def draw(key: base.PRNGKey, shapes: Shapes, dim: int) -> Tiles:
  """Draws the signs and rolls of every leaf by its name.

  Args:
    key: A PRNG key.
    shapes: The shape of every leaf.
    dim: Coordinates, d.

  Returns:
    A `Tiles`.
  """
  sign_key, roll_key = jax.random.split(key)
  plans = {name: _plan(shape, dim) for name, shape in shapes.items()}
  cells = {n: p.cells + p.left for n, p in plans.items() if p.blocks}
  cells[''] = sum(p.rest for p in plans.values())
  signs = {
    n: jax.random.bits(
      trees.key_for(sign_key, n), (-(-math.prod(s) // COPIES),), jnp.uint8
    )
    for n, s in shapes.items()
  }
  rolls = {
    n: jax.random.randint(trees.key_for(roll_key, n), (-(-c // dim),), 0, dim)
    for n, c in cells.items()
  }
  return Tiles(signs, rolls)


def spread(z: jax.Array, tiles: Tiles, shapes: Shapes) -> dict[str, jax.Array]:
  """Returns the weights of every leaf, a linear function of `z`.

  Args:
    z: `[d]`.
    tiles: What `draw` returned.
    shapes: The shapes given to `draw`.

  Returns:
    An array of each of the `shapes`.
  """
  plans = {name: _plan(shapes[name], z.size) for name in sorted(shapes)}
  return _linear.linear(
    lambda z: _forward(z, tiles, shapes, plans),
    lambda g: _transpose(g, tiles, plans, z.size),
    z,
  )


def uses(tiles: Tiles, shapes: Shapes, dim: int) -> jax.Array:
  """Returns how many weights read each coordinate, int32 `[d]`."""
  plans = [_plan(shape, dim) for shape in shapes.values()]
  own = sum(p.cells + p.left for p in plans) // dim
  full, rest = divmod(sum(p.rest for p in plans), dim)
  count = jnp.full(dim, COPIES * own + full)
  if rest:
    met = (jnp.arange(dim) - tiles.rolls[''][full]) % dim < rest
    count = count + met.astype(count.dtype)
  return count


def _forward(z, tiles, shapes, plans):
  common, start, out = _tape(z, tiles.rolls['']), 0, {}
  for name, plan in plans.items():
    weights = common[start : start + plan.rest]
    start += plan.rest
    if plan.blocks:
      tape = _tape(z, tiles.rolls[name])
      left = jnp.broadcast_to(tape[plan.cells :], (COPIES, plan.left)).ravel()
      head = tape[: plan.cells].reshape(-1, 1, plan.width)
      tail = jnp.concatenate([left, weights])
      weights = _flip_long(head, tail, tiles.signs[name], plan)
    else:
      weights = _flip(weights, tiles.signs[name])
    out[name] = weights.reshape(shapes[name])
  return out


def _transpose(g, tiles, plans, dim):
  rest, total = [], 0
  for name, plan in plans.items():
    tail = g[name].ravel()
    if plan.blocks:
      head, tail = _flip_long_transpose(tail, tiles.signs[name], plan)
      left = tail[: COPIES * plan.left].reshape(COPIES, plan.left).sum(0)
      tape = jnp.concatenate([head.ravel(), left])
      total = total + _tape_transpose(tape, tiles.rolls[name], dim)
      rest.append(tail[COPIES * plan.left :])
    else:
      rest.append(_flip(tail, tiles.signs[name]))
  common = jnp.concatenate(rest)
  return total + _tape_transpose(common, tiles.rolls[''], dim)


def _flip_long(head, tail, bits, plan):
  """Returns the flat weights of a long leaf, from the cells that they read."""
  if not plan.even:
    head = _flip_rows(head, bits[: plan.cells].reshape(-1, 1, plan.width))
    tail = _flip(tail, bits[plan.cells :])
    return jnp.concatenate([head.ravel(), tail])
  bits, tail = (
    bits.reshape(-1, 1, plan.width),
    tail.reshape(-1, COPIES, plan.width),
  )
  head, tail = jax.lax.optimization_barrier((head, tail))
  weights = [
    _flip_rows(head, bits[: plan.blocks]),
    _flip_rows(tail, bits[plan.blocks :]),
  ]
  return jnp.concatenate(weights).ravel()


def _flip_long_transpose(g, bits, plan):
  """Returns the sums over the copies of each cell, and the flat tail."""
  if plan.even:
    x, bits = g, bits.reshape(-1, plan.width)
    tail = g.reshape(-1, COPIES, plan.width)[plan.blocks :]
    tail = _flip_rows(tail, bits[plan.blocks :, None]).ravel()
  else:
    tail = _flip(g[COPIES * plan.cells :], bits[plan.cells :])
    x, bits = g[: COPIES * plan.cells], bits[: plan.cells]
    bits = bits.reshape(-1, plan.width)
  x = x.reshape(-1, COPIES, plan.width)
  # Written out, as XLA:CPU sums over a middle axis at half the speed.
  copies = [
    jnp.where(bits & bit != 0, -x[:, i], x[:, i]) for i, bit in enumerate(BITS)
  ]
  head, tail = jax.lax.optimization_barrier((sum(copies), tail))
  return head[: plan.blocks], tail


def _flip_rows(x: jax.Array, bits: jax.Array) -> jax.Array:
  """Returns x `[b, 8 or 1, w]` with the signs in the bits of `[b, 1, w]`."""
  return jnp.where((bits & BITS[None, :, None]) != 0, -x, x)


def _flip(x: jax.Array, bits: jax.Array) -> jax.Array:
  """Returns x `[n]` with the signs in the bits of `[ceil(n / 8)]`."""
  return jnp.where((bits[:, None] & BITS[None] != 0).ravel()[: x.size], -x, x)


def _tape(z: jax.Array, rolls: jax.Array) -> jax.Array:
  """Returns the tape, flat: cell (a, p) holds z[(p + r_a) mod d]."""
  copies = jnp.broadcast_to(z, (rolls.size, z.size))
  return jax.lax.optimization_barrier(_roll(copies, rolls)).ravel()


def _tape_transpose(g: jax.Array, rolls: jax.Array, dim: int) -> jax.Array:
  """Returns the sum over the cells that hold each coordinate, `[d]`."""
  rows = jnp.pad(g, (0, rolls.size * dim - g.size)).reshape(-1, dim)
  rows = _roll(jax.lax.optimization_barrier(rows), dim - rolls)
  # A product: XLA:CPU sums over a leading axis an order of magnitude slower.
  return jnp.ones(rolls.size, g.dtype) @ rows


def _roll(rows: jax.Array, by: jax.Array) -> jax.Array:
  """Returns rows `[a, d]`, row a rolled to the left by `by[a]` in [0, d]."""
  at = jnp.arange(rows.shape[1])[None] + by[:, None]
  at = jnp.where(at >= rows.shape[1], at - rows.shape[1], at)
  return jnp.take_along_axis(rows, at, axis=1, mode='promise_in_bounds')
