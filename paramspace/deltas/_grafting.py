"""Which entries a task moved, and what two tasks have in common."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _check
from paramspace.deltas import _largest
from paramspace.deltas import _prune
from paramspace.deltas import _rounds


def top_movement_mask(
  delta: base.Params, density: float, scope: str = 'global'
) -> base.Params:
  """Marks the k = floor(density n) entries that moved most.

  Args:
    delta: A tree.
    density: The fraction that is marked, in [0, 1].
    scope: As in `trim`.

  Returns:
    A tree of booleans, for `mask`. Leaves that are not floating-point are
    carried.

  Raises:
    ValueError: If an argument is out of its range, or a value is not finite.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'a': jnp.array([3.0, 0.1]), 'b': jnp.array([-2.0, 4.0])}
    >>> deltas.top_movement_mask(delta, 0.5)['b']
    Array([False,  True], dtype=bool)

  Note: The authors' code keeps the entries above the k-th, k - 1 of them.

  References:
    Panigrahi et al, 2023, Task-Specific Skill Localization,
    https://arxiv.org/abs/2302.06600, Section 2.1.
  """
  _check.fraction('density', density)
  marked, rounds = _largest.marks(
    density, scope, 'floor', -1, _rounds.magnitude
  )
  prune = _prune.Prune(
    lambda known, key, name, x: marked(known, name, x), rounds
  )
  return prune(jax.random.key(0), delta)  # Nothing is drawn.


def overlap(masks: Mapping[str, base.Params]) -> jax.Array:
  """Returns what share of each task's mask is in each other's.

  Args:
    masks: By task, trees of booleans, `n` of them. Other leaves do not count.

  Returns:
    |a and b| / |b| for tasks a and b in the order given, float32 `[n, n]`; 0
    where b is empty.

  Raises:
    ValueError: If the trees differ in their booleans; names the leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> a, b = jnp.array([True, True]), jnp.array([True, False])
    >>> deltas.overlap({'a': {'w': a}, 'b': {'w': b}}).tolist()
    [[1.0, 1.0], [0.5, 1.0]]

  References:
    Panigrahi et al, 2023, https://arxiv.org/abs/2302.06600, Section 4.
  """
  leaves = {task: _booleans(task, tree) for task, tree in masks.items()}
  first, *rest = leaves
  for task in rest:
    trees.check_same(
      leaves[first], leaves[task], f'overlap: {task}, beside {first}'
    )
  common = lambda a, b: sum(
    jnp.sum(leaves[a][n] & leaves[b][n], dtype=jnp.int32) for n in leaves[a]
  )
  counts = jnp.stack(
    [jnp.stack([common(a, b) for b in masks]) for a in masks]
  ).astype(jnp.float32)
  return counts / jnp.maximum(jnp.diagonal(counts), 1)[None]


def _booleans(task: str, tree: base.Params) -> dict[str, jax.Array]:
  leaves = {n: x for n, x in trees.named(tree).items() if x.dtype == jnp.bool}
  if not leaves:
    raise ValueError(f'overlap: the mask of {task!r} has no booleans.')
  return leaves
