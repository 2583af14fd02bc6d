"""Which axes of a leaf are inputs, and which are outputs."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import jax

# The first rule that matches the whole name: the kind, and how many of the axes
# are outputs, of leaves of two axes or more. By Flax, what a linear map
# multiplies comes first: Dense [in, out], Conv [..., in, out], the projections
# of attention [in, heads, head_dim] and [heads, head_dim, out]. An embedding
# is [rows, features]. By PyTorch, whose leaves are called `weight`, outputs
# come first: Linear [out, in], Conv [out, in, ...].
RULES = (
  (r'(.*/)?[^/]*embed(ding)?s?', 'embedding', 1),
  (r'(.*/)?([^/]*embed[^/]*|wte|wpe)/weight', 'embedding', 1),
  (r'(.*/)?[^/]*weight', 'weight', 1),
  (r'(.*/)?(query|key|value)/kernel', 'kernel', 2),
  (r'.*', 'kernel', 1),
)


class Axes(NamedTuple):
  """The axes of a leaf, in their order.

  Attributes:
    kind: 'kernel', 'weight', which is a kernel with its outputs first,
      'embedding', or 'vector', which is everything with fewer than two axes.
    stack: How many leading axes stand for layers, as `nn.scan` stacks them.
    inputs: How many then are inputs; of an embedding, rows.
    outputs: How many then are outputs, features, or the axis of a vector.
  """

  kind: str
  stack: int
  inputs: int
  outputs: int

  @property
  def is_map(self) -> bool:
    """Whether it is a linear map, of inputs to outputs."""
    return self.kind in ('kernel', 'weight')


def axes(
  name: str,
  shape: tuple[int, ...],
  stacked: Mapping[str, int] | None = None,
) -> Axes:
  """Returns what the axes of a leaf are, by the layouts of Flax and PyTorch.

  Args:
    name: The leaf's name, '/'-joined.
    shape: Its shape.
    stacked: The number of leading axes that stand for layers, by regular
      expression; it must match the whole name.

  Returns:
    The axes.

  Raises:
    ValueError: If a leaf has fewer axes than are stacked.

  Example:
    >>> from paramspace import merging
    >>> merging.axes('Dense_0/kernel', (16, 48))
    Axes(kind='kernel', stack=0, inputs=1, outputs=1)
    >>> merging.axes('layers/Conv_0/kernel', (6, 3, 3, 8, 4), {'layers/.*': 1})
    Axes(kind='kernel', stack=1, inputs=3, outputs=1)
    >>> merging.axes('mlp/up_proj/weight', (48, 16))
    Axes(kind='weight', stack=0, inputs=1, outputs=1)

  Note: The `Conv1D` of GPT-2 has `[in, out]` and is called `weight`, too; its
    name does not tell it from other models' `[out, in]`.
  """
  stack = 0
  for pattern, number in (stacked or {}).items():
    if re.fullmatch(pattern, name):
      stack = number
      break
  rest = len(shape) - stack
  if rest < 0:
    raise ValueError(
      f'Leaf {name!r} of shape {list(shape)} has no {stack} stacked axes.'
    )
  if rest < 2:
    return Axes('vector', stack, 0, rest)
  for pattern, kind, outputs in RULES:
    if re.fullmatch(pattern, name) and outputs < rest:
      return Axes(kind, stack, rest - outputs, outputs)
  raise AssertionError(f'No rule for {name!r} of shape {list(shape)}.')


def matrices(x: jax.Array, at: Axes) -> jax.Array:
  """Returns a leaf as matrices, `[layers, in, out]`."""
  first = at.outputs if at.kind == 'weight' else at.inputs
  shape = x.shape[at.stack : at.stack + first]
  found = x.reshape(math.prod(x.shape[: at.stack]), math.prod(shape), -1)
  return found.swapaxes(1, 2) if at.kind == 'weight' else found


def restored(x: jax.Array, at: Axes, shape: tuple[int, ...]) -> jax.Array:
  """Returns matrices `[layers, in, out]` as a leaf of this shape."""
  return (x.swapaxes(1, 2) if at.kind == 'weight' else x).reshape(shape)
