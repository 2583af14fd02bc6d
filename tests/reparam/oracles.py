"""What the tests of the methods compare with: dense matrices, in numpy."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import trees
from paramspace.reparam import _tiles

KEY = jax.random.key(0)


def shaped(**shapes):
  """Returns a tree of zeros; a list is the shape of a leaf."""
  return {name: jnp.zeros(tuple(shape)) for name, shape in shapes.items()}


def flat(params):
  """Returns the weights as one vector, in the order of the leaves."""
  return jnp.concatenate([x.ravel() for x in trees.floating(params).values()])


def matrix(rp, params, dim, key=KEY):
  """Returns P, float64 `[D, d]`, column by column from the forward pass."""
  return draw(rp, params, dim, key)[0]


def draw(rp, params, dim, key=KEY):
  """Returns P and the frozen draw behind it."""
  zero = jax.tree.map(jnp.zeros_like, params)

  @jax.jit
  def columns(key):
    _, frozen = rp.init(key, params)
    column = lambda z: flat(rp.apply(zero, z, frozen))
    return jax.vmap(column, out_axes=1)(jnp.eye(dim)), frozen

  p, frozen = columns(key)
  return np.asarray(p, np.float64), frozen


def read(tiles, shapes, dim):
  """Returns which coordinate each weight reads, and its sign, by leaf.

  Follows the docstring of `_tiles` with index arrays.
  """

  def tape(rolls):
    return ((np.arange(dim) + np.asarray(rolls)[:, None]) % dim).ravel()

  common, start, out = tape(tiles.rolls['']), 0, {}
  for name in sorted(shapes):
    size, plan = math.prod(shapes[name]), _tiles._plan(shapes[name], dim)
    bits = np.unpackbits(np.asarray(tiles.signs[name]), bitorder='little')
    rest = common[start : start + plan.rest]
    start += plan.rest
    if plan.blocks:
      own = tape(tiles.rolls[name])
      head = own[: plan.cells].reshape(plan.blocks, 1, plan.width)
      head = np.broadcast_to(head, (plan.blocks, 8, plan.width)).ravel()
      rest = np.concatenate([head, np.tile(own[plan.cells :], 8), rest])
      # The bits of a byte belong to rows of one column, not to neighbours.
      end = bits.size if plan.even else 8 * plan.cells
      matrix = bits[:end].reshape(-1, plan.width, 8).swapaxes(1, 2)
      bits = np.concatenate([matrix.ravel(), bits[end:]])
    out[name] = rest, 1.0 - 2.0 * bits[:size]
  return out
