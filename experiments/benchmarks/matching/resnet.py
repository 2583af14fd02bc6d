"""The leaves of git-re-basin's ResNet-20, and pairs of models of that shape."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import symmetry

STAGES, BLOCKS = 3, 3
CLASSES = 10


class Pair(NamedTuple):
  """Two models.

  Attributes:
    a: A tree.
    b: A tree.
    truth: The element that brings `b` to `a`, if there is one.
  """

  a: base.Params
  b: base.Params
  truth: dict[str, np.ndarray] | None


def spec(width: int, stages: int = STAGES) -> symmetry.Spec:
  """Returns the 12 groups: a stream for each stage, and one in each block.

  LayerNorm everywhere, convolutions without a bias, and a convolution on the
  shortcut where the stream changes, as git-re-basin has it.

  Args:
    width: The factor of the channels, 16, 32 and 64.
    stages: How many of the three there are.
  """
  fixed = lambda n: symmetry.Factor(None, n)
  streams = [
    symmetry.Factor(f'stream{i}', 16 * width * 2**i) for i in range(stages)
  ]
  leaves = {}

  def layer(name, before, after):
    leaves[f'{name}/kernel'] = (fixed(3), fixed(3), before, after)
    leaves[f'{name}/scale'] = leaves[f'{name}/bias'] = (after,)

  layer('first', fixed(3), streams[0])
  before = streams[0]
  for i, stream in enumerate(streams):
    for j in range(BLOCKS):
      inner = symmetry.Factor(f'block{i}{j}', stream.size)
      layer(f'block{i}{j}/conv1', before, inner)
      layer(f'block{i}{j}/conv2', inner, stream)
      if before != stream:
        layer(f'block{i}{j}/shortcut', before, stream)
      before = stream
  leaves['dense/kernel'] = (before, fixed(CLASSES))
  leaves['dense/bias'] = (fixed(CLASSES),)
  factors = {f for axes in leaves.values() for f in axes if f.name}
  groups = {f.name: symmetry.Group(f.size) for f in sorted(factors)}
  return symmetry.Spec(groups, leaves)


def planted(which: symmetry.Spec, signal: float, seed: int) -> Pair:
  """Returns a, and the permuted (signal a + noise), unit normal both.

  Args:
    which: A specification of leaves whose axes are single factors.
    signal: How much of a is in b, s.
    seed: Of everything that is drawn.
  """
  rng = np.random.default_rng(seed)
  draw = lambda axes: rng.standard_normal([f.size for f in axes], np.float32)
  a = {name: draw(axes) for name, axes in which.leaves.items()}
  b = {
    name: np.float32(signal) * a[name] + draw(axes)
    for name, axes in which.leaves.items()
  }
  moved = {name: rng.permutation(g.size) for name, g in which.groups.items()}
  for name, axes in which.leaves.items():
    for axis, factor in enumerate(axes):
      if factor.name:
        b[name] = np.take(b[name], moved[factor.name], axis)
  truth = {name: np.argsort(order) for name, order in moved.items()}
  put = lambda tree: {name: jnp.asarray(x) for name, x in tree.items()}
  return Pair(put(a), put(b), truth)


def recovered(
  element: symmetry.Element, truth: dict[str, np.ndarray]
) -> tuple[float, float]:
  """Returns the share of the groups that are all right, and of the units."""
  right = {name: np.asarray(element[name]) == x for name, x in truth.items()}
  groups = np.mean([x.all() for x in right.values()])
  units = np.mean(np.concatenate(list(right.values())))
  return float(groups), float(units)
