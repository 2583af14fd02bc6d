"""Weighted sums of trees, one tree in memory at a time."""

import functools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees

Loader = Callable[[], base.Params]


def combine(
  weights: Sequence[float], source: Iterable[base.Params | Loader]
) -> base.Params:
  r"""Returns sum_k w_k theta_k, in the dtypes of the first tree.

  The trees are taken one after another: in memory are the sum, in float32 or
  wider, and one tree. Leaves stay on the devices where they are.

  Args:
    weights: One for each tree.
    source: The trees, from a list or an iterator; or functions without
      arguments that return them, which are called in turn, and not where the
      weight is 0.

  Returns:
    A tree. Leaves that are not floating-point are those of all trees.

  Raises:
    ValueError: If there are more trees or fewer than weights, a weight is not
      finite, or the trees differ: in leaves, shapes, dtypes, or the values of
      leaves that are not floating-point; names the leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> trees = ({'w': jnp.full(2, float(k))} for k in range(4))
    >>> averaging.combine([0.1, 0.2, 0.3, 0.4], trees)['w']
    Array([2., 2.], dtype=float32)
  """
  weights = np.asarray(weights, np.float64)
  if weights.ndim != 1 or not len(weights) or not np.isfinite(weights).all():
    raise ValueError(
      f'`weights` must be one finite number or more, got {weights.tolist()}.'
    )
  if not weights.any():
    raise ValueError('All weights are 0; the sum has no trees.')
  first, total = None, {}
  rest = iter(source)
  for k, weight in enumerate(weights):
    tree = _next(rest, k, weights)
    if tree is None:
      continue
    if first is None:
      first = _described(tree)
    _check(first, tree, k)
    total = jax.block_until_ready(_added(total, tree, weight))
    del tree  # Before the next is made.
  if next(rest, None) is not None:
    raise ValueError(f'There are more trees than the {len(weights)} weights.')
  narrow = {n: x.astype(trees.named(first)[n].dtype) for n, x in total.items()}
  return trees.replace(first, narrow)


def _next(
  rest: Iterator[base.Params | Loader], k: int, weights: np.ndarray
) -> base.Params | None:
  """Returns tree k; None if it is not needed."""
  try:
    tree = next(rest)
  except StopIteration:
    raise ValueError(
      f'There are {len(weights)} weights, but only {k} trees.'
    ) from None
  if not weights[k]:
    return None
  return tree() if callable(tree) else tree


def _described(tree: base.Params) -> base.Params:
  """Returns the tree with shapes instead of floating-point leaves."""
  shapes = {
    name: jax.ShapeDtypeStruct(x.shape, x.dtype)
    for name, x in trees.floating(tree).items()
  }
  return trees.replace(tree, shapes)


def _check(first: base.Params, tree: base.Params, k: int) -> None:
  """Raises unless the tree can be added."""
  trees.check_same(first, tree, f'tree {k} of the sum')
  given = trees.named(tree)
  for name, x in trees.named(first).items():
    if not trees.is_floating(x) and not _equal(x, given[name]):
      raise ValueError(
        f'Leaf {name!r} of tree {k} is not floating-point and differs from '
        'the trees before; leave it out, or make it equal.'
      )


def _equal(a: Any, b: Any) -> bool:
  if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
    a, b = jax.random.key_data(a), jax.random.key_data(b)
  return np.array_equal(a, b)


def _added(
  total: dict[str, jax.Array], tree: base.Params, weight: float
) -> dict[str, jax.Array]:
  """Adds a tree leaf by leaf, each into the memory of the sum."""
  leaves = trees.floating(tree)
  if not total:
    return {n: _scaled(x, weight) for n, x in leaves.items()}
  return {n: _plus(total[n], x, weight) for n, x in leaves.items()}


@jax.jit
def _scaled(x: jax.Array, weight: jax.Array) -> jax.Array:
  wide = trees.widen(x)
  return wide * weight.astype(wide.dtype)


@functools.partial(jax.jit, donate_argnums=0)
def _plus(total: jax.Array, x: jax.Array, weight: jax.Array) -> jax.Array:
  return total + x.astype(total.dtype) * weight.astype(total.dtype)
