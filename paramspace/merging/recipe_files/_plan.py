"""What a recipe file says, once the models that it names were looked at."""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np
from jax import numpy as jnp

from paramspace import base
from paramspace.files import disk

DTYPES = ('bfloat16', 'float16', 'float32')


class Plan(NamedTuple):
  """A merge that can be run.

  Attributes:
    page: What it says.
    base: What deltas are counted from, or what gives structure and dtypes.
    models: The models by name.
    recipe: How they are merged.
    weights: By model, a scalar, or scalars by leaf name; None for ones.
    statistics: By model, what the recipe must know of it; None for nothing.
    seed: Of what is drawn; None if nothing is.
    out_dtype: The name of the dtype that is written; None for the base's.
    beside: Files beside the leaves that are not those of the base, by name.
    notes: What a reader should know, a line each.
    vocabulary: As in `merge_files`.
  """

  page: Mapping[str, Any]
  base: disk.Tree
  models: Mapping[str, disk.Tree]
  recipe: base.Recipe
  weights: Mapping[str, Any] | None = None
  statistics: Mapping[str, disk.Tree] | None = None
  seed: int | None = None
  out_dtype: str | None = None
  beside: Mapping[str, bytes] = {}
  notes: tuple[str, ...] = ()
  vocabulary: str = 'same'


def floating(tree: disk.Tree) -> dict[str, disk.Leaf]:
  """Returns the leaves that are merged."""
  return {
    name: leaf
    for name, leaf in tree.leaves.items()
    if jnp.issubdtype(np.dtype(leaf.dtype), jnp.floating)
  }
