"""The weighted average of models."""

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def linear(normalize: bool = True) -> base.Recipe:
  r"""theta = sum_i w_i theta_i / sum_i w_i, of the models themselves.

  The base gives dtypes and structure, and counts for nothing.

  Args:
    normalize: Whether to divide by the sum of the weights. Without, the result
      is sum_i w_i theta_i.

  Returns:
    A recipe. One model at weight 1 is returned to the bit.

  Raises:
    ValueError: In `merge`, if the weights sum to 0.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(1)}
    >>> tuned = {'a': {'w': jnp.ones(1)}, 'b': {'w': jnp.full(1, 5.0)}}
    >>> weights = {'a': 3.0, 'b': 1.0}
    >>> merging.merge(base, tuned, merging.linear(), weights=weights)['w']
    Array([2.], dtype=float32)

  References:
    Utans, 1996, Weight averaging for neural networks and local resampling
    schemes, AAAI workshop. Wortsman et al, 2022, Model soups,
    https://arxiv.org/abs/2203.05482.
  """

  def check(leaf: base.Leaf):
    if normalize:
      _check.weighable(leaf, 'linear')

  average = _stack.mean if normalize else _stack.total
  combine = base.Combine(
    lambda known, leaf: average(leaf),
    origin='zero',
    check=check,
    sums=True,
    kind=base.alike,
  )
  return base.Recipe(combine)
