"""Which entries a task moved, and what two tasks have in common."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax

from paramspace import base
from paramspace import trees
from paramspace.deltas import _bits
from paramspace.deltas import _check
from paramspace.deltas import _largest
from paramspace.deltas import _prune
from paramspace.deltas import _rounds


def top_movement_mask(
  delta: base.Params,
  density: float,
  scope: str = 'global',
  pattern: trees.Pattern = '.*',
) -> base.Params:
  """Marks the k = floor(density n) entries that moved most.

  Args:
    delta: A tree.
    density: The fraction that is marked, in [0, 1].
    scope: As in `trim`.
    pattern: The leaves that the n entries are in, as in `where`; in the others
      nothing is marked.

  Returns:
    A tree of booleans, for `mask`. Leaves that are not floating-point are
    carried.

  Raises:
    ValueError: If an argument is out of its range, a value is not finite, or
      no leaf is selected.

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
  return top_mask(delta, density, scope, pattern, _rounds.magnitude)


def random_mask(
  key: base.PRNGKey,
  params: base.Params,
  density: float,
  scope: str = 'global',
  pattern: trees.Pattern = '.*',
) -> base.Params:
  """Marks k = floor(density n) entries at random, all sets of k alike.

  Every entry draws 30 bits, by the key and the name of its leaf, and the k
  largest are marked: the number is exact, and a larger density marks the same
  entries and more. Those that drew the same bits as the k-th are marked in the
  order of names.

  Args:
    key: What is drawn depends on it.
    params: A tree; only names, shapes and dtypes count.
    density: The fraction that is marked, in [0, 1].
    scope: As in `trim`: what the n entries are.
    pattern: As in `top_movement_mask`.

  Returns:
    A tree of booleans, as of `top_movement_mask`.

  Raises:
    ValueError: If an argument is out of its range, or no leaf is selected.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> params = {'a': jnp.ones(30), 'b': jnp.ones(70)}
    >>> marked = deltas.random_mask(jax.random.key(0), params, density=0.25)
    >>> int(marked['a'].sum() + marked['b'].sum())
    25
  """

  def score(name: str, x: jax.Array):
    drawn = _bits.draw(trees.key_for(key, name), x.shape)
    # Below 2.0, read as floats: they are ranked by their bits, and finite.
    return lax.bitcast_convert_type(drawn >> 2, jnp.float32)

  return top_mask(params, density, scope, pattern, score)


def top_mask(
  tree: base.Params,
  density: float,
  scope: str,
  pattern: trees.Pattern,
  score: _rounds.Score,
) -> base.Params:
  """Marks the largest scores of the leaves that are selected."""
  _check.fraction('density', density)
  marked, rounds = _largest.marks(density, scope, 'floor', -1, score)
  prune = _prune.Prune(
    lambda known, key, name, x: marked(known, name, x), rounds
  )
  leaves = trees.floating(tree)
  chosen = {name: leaves[name] for name in trees.match(leaves, pattern)}
  found = prune(jax.random.key(0), chosen)  # Draws nothing of its own.
  others = {n: x for n, x in leaves.items() if n not in chosen}
  none = {n: jnp.zeros(x.shape, bool) for n, x in others.items()}
  return trees.replace(tree, none | found)


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
