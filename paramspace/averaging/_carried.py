"""What a state keeps of the parameters besides their average."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees


def carried(params: base.Params) -> base.Params:
  """Returns the tree with a zero for every floating-point leaf."""
  zeros = {n: jnp.zeros((), x.dtype) for n, x in trees.floating(params).items()}
  return trees.replace(params, zeros)


def check(
  params: base.Params,
  kept: base.Params,
  shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, jax.Array]:
  """Raises unless parameters are of the kind that a state was made for.

  Args:
    params: The parameters of an update.
    kept: From `carried`.
    shapes: Of the floating-point leaves, by name.

  Returns:
    The leaves by name.

  Raises:
    ValueError: Naming the leaves that differ.
  """
  leaves = trees.named(kept)
  expected = {
    name: jax.ShapeDtypeStruct(shape, leaves[name].dtype)
    for name, shape in shapes.items()
  }
  return trees.check_shapes(
    trees.replace(kept, expected), params, 'the parameters'
  )
