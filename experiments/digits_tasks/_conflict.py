"""How often the signs of tasks' deltas disagree."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import deltas


class Conflict(NamedTuple):
  """Fractions of entries in which signs disagree.

  Attributes:
    shared: Of the entries that two tasks keep, or more. For two tasks whose
      signs have nothing to do with each other it is 1/2.
    kept: Of the entries that any task keeps.
  """

  shared: float
  kept: float


def signs(
  origin: base.Params, tuned: base.Params, density: float
) -> list[jax.Array]:
  """Returns the signs of what is left of each delta, after a trim.

  Args:
    origin: The encoder that all were tuned from.
    tuned: The encoders, `[tasks, *s]`.
    density: The fraction of the entries of a delta that are kept, the largest
      of the tree.

  Returns:
    Leaves `[tasks, *s]`, int8; 0 is not kept.
  """
  prune = deltas.trim(density, scope='global')

  def of_task(encoder: base.Params) -> list[jax.Array]:
    delta = prune(jax.random.key(0), deltas.subtract(encoder, origin))
    return [jnp.sign(x).astype(jnp.int8) for x in jax.tree.leaves(delta)]

  return jax.lax.map(of_task, tuned)


def measure(signs: Sequence[jax.Array], tasks: Sequence[int]) -> Conflict:
  """Returns the sign conflict between some tasks.

  Args:
    signs: As returned by `signs`.
    tasks: Their indices.

  Returns:
    The fractions; 0 where no entry is shared.
  """
  shared = kept = disagreeing = 0
  for leaf in signs:
    chosen = np.asarray(leaf)[list(tasks)]
    up, down = (chosen > 0).any(0), (chosen < 0).any(0)
    shared += np.count_nonzero(np.count_nonzero(chosen, axis=0) > 1)
    kept += np.count_nonzero(up | down)
    disagreeing += np.count_nonzero(up & down)
  return Conflict(disagreeing / max(shared, 1), disagreeing / max(kept, 1))
