"""Linear layers whose outputs are nearest to those of the models."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _layout
from paramspace.merging import _stack


@_config.recorded
def regmean(
  off_diagonal: float = 0.9,
  ridge: float = 1e-6,
  stacked: Mapping[str, int] | None = None,
) -> base.Recipe:
  r"""W = (sum_i w_i G_i)^-1 sum_i w_i G_i W_i, G_i = X_i^T X_i / rows.

  It minimises sum_i w_i |X_i (W - W_i)|^2 / rows over the inputs X_i that model
  i has seen at this kernel. G_i comes from `grams`:
  `statistics={model: {'Dense_0/kernel': G_i, ...}, ...}`. Leaves without one
  are averaged.

  Args:
    off_diagonal: The paper's alpha, by which the entries of G_i off the
      diagonal are multiplied, in [0, 1]. 1 is least squares; less is steadier
      where inputs are few. The authors' experiments take 0.1 and 0.9.
    ridge: What is added to the diagonal of the sum, as a fraction of its mean,
      so that a direction without inputs keeps the average.
    stacked: As in `axes`; then G_i is `[layers, in, in]`.

  Returns:
    A recipe with statistics.

  Raises:
    ValueError: If an argument is out of its range or, in `merge`, if a gram
      has not the shape of its kernel's inputs, or weights sum to 0.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros((2, 1))}
    >>> a, b = {'w': jnp.ones((2, 1))}, {'w': jnp.full((2, 1), 5.0)}
    >>> x = {'a': jnp.eye(2), 'b': jnp.array([[1.0, 0.0], [1.0, 0.0]])}
    >>> grams = {name: merging.grams({'w': x[name]}) for name in x}
    >>> recipe = merging.regmean()
    >>> tuned = {'a': a, 'b': b}
    >>> merged = merging.merge(base, tuned, recipe, statistics=grams)
    >>> merged['w'].ravel().round(3)
    Array([3.667, 1.   ], dtype=float32)

  Note: The ridge is ours, and pulls to the average; the authors' code inverts
    the sum as it is.

  References:
    Jin et al, 2022, Dataless Knowledge Fusion by Merging Weights of Language
    Models, https://arxiv.org/abs/2212.09849, Equation 2.
  """
  _check.fraction('off_diagonal', off_diagonal)
  _check.not_negative('ridge', ridge)

  def check(leaf: base.Leaf):
    _check.weighable(leaf, 'regmean')
    if leaf.statistics is None:
      return
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    rows = _layout.matrices(leaf.base, at).shape[1]
    wanted = (*leaf.base.shape[: at.stack], rows, rows)
    if at.kind == 'vector' or leaf.statistics.shape[1:] != wanted:
      raise ValueError(
        f'The gram of leaf {leaf.name!r} should have shape {list(wanted)}, got '
        f'{list(leaf.statistics.shape[1:])}.'
      )

  def apply(known: dict, leaf: base.Leaf):
    mean = _stack.mean(leaf)
    if leaf.statistics is None:
      return mean
    at = _layout.axes(leaf.name, leaf.base.shape, stacked)
    apart = leaf.deltas - mean[None]
    d = jnp.stack([_layout.matrices(x, at) for x in apart])  # [n, L, in, out]
    grams = leaf.statistics.astype(d.dtype)
    grams = grams.reshape(*d.shape[:3], d.shape[2])  # [n, L, in, in]
    diagonal = jnp.eye(d.shape[2], dtype=bool)[None, None]
    grams = jnp.where(diagonal, grams, off_diagonal * grams)
    grams = _stack.along(leaf.weights, grams) * grams
    moved = _solved(grams, d, ridge)
    return mean + _layout.restored(moved, at, mean.shape)

  return base.Recipe(base.Combine(apply, check=check))


def _solved(grams: jax.Array, d: jax.Array, ridge: float) -> jax.Array:
  """Returns (sum_i G_i)^-1 sum_i G_i D_i, `[L, in, out]`."""
  with jax.default_matmul_precision('highest'):
    right = jnp.sum(grams @ d, 0)
  left = jnp.sum(grams, 0)
  size = left.shape[-1]
  mean = jnp.trace(left, axis1=-2, axis2=-1) / size
  # A layer without any input keeps the average.
  added = jnp.where(mean == 0, 1, ridge * mean)[:, None, None]
  eye = jnp.eye(size, dtype=left.dtype)[None]
  return jnp.linalg.solve(left + added * eye, right)
