"""Weighted sums of trees, one tree in memory at a time."""

import functools
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import jax
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.averaging import _ingredients


def combine(
  weights: Sequence[float], source: Iterable[_ingredients.Entry]
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
      first = _ingredients.outline(tree)
    _ingredients.check_alike(first, tree, f'tree {k} of the sum')
    total = _added(total, tree, weight)
    del tree  # Before the next is made.
  if next(rest, None) is not None:
    raise ValueError(f'There are more trees than the {len(weights)} weights.')
  narrow = {n: x.astype(trees.named(first)[n].dtype) for n, x in total.items()}
  return trees.replace(first, narrow)


def _next(
  rest: Iterator[_ingredients.Entry], k: int, weights: np.ndarray
) -> base.Params | None:
  """Returns tree k; None if it is not needed."""
  _ingredients.release()
  try:
    entry = next(rest)
  except StopIteration:
    raise ValueError(
      f'There are {len(weights)} weights, but only {k} trees.'
    ) from None
  return _ingredients.load(entry) if weights[k] else None


def _added(
  total: dict[str, jax.Array], tree: base.Params, weight: float
) -> dict[str, jax.Array]:
  """Adds a tree leaf by leaf, each into the memory of the sum."""
  new = {}
  for name, x in trees.floating(tree).items():
    if isinstance(x, np.ndarray):  # Used where it is, if it lies so.
      x = jax.device_put(x, may_alias=True)
    old = total.pop(name, None)
    moved = _scaled(x, weight) if old is None else _plus(old, x, weight)
    new[name] = jax.block_until_ready(moved)  # Frees a copy of the array.
  return new


@jax.jit
def _scaled(x: jax.Array, weight: jax.Array) -> jax.Array:
  wide = trees.widen(x)
  return wide * weight.astype(wide.dtype)


@functools.partial(jax.jit, donate_argnums=0)
def _plus(total: jax.Array, x: jax.Array, weight: jax.Array) -> jax.Array:
  return total + x.astype(total.dtype) * weight.astype(total.dtype)
