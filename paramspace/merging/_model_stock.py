"""The average of models, drawn to the base by the angle between them."""

import jax.numpy as jnp

from paramspace import base
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def model_stock(clip: bool = False) -> base.Recipe:
  r"""theta = base + t mean_i delta_i, t = n c / (1 + (n - 1) c).

  c is the mean cosine of the angles between the deltas of a leaf. Deltas of one
  length at equal angles lie on a sphere, around a centre that the mean
  approaches as n grows; t leads to the point of their plane, with the base,
  that is nearest to it.

  Args:
    clip: Whether to keep t in [0, 1]. A negative c leads beyond the base, far
      if 1 + (n - 1) c is small.

  Returns:
    A recipe for two models or more, without weights.

  Raises:
    ValueError: In `merge`, if there is one model, or weights differ.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> a, b = {'w': jnp.array([1.0, 1.0])}, {'w': jnp.array([1.0, -1.0])}
    >>> recipe = merging.model_stock()
    >>> merging.merge(base, {'a': a, 'b': b}, recipe)['w'].tolist()
    [0.0, 0.0]

  Note: There is no code of the authors'. The mean of cosines is mergekit's;
    FusionBench takes the cosine of the mean angle.

  References:
    Jang et al, 2024, Model Stock, https://arxiv.org/abs/2403.19522, Equation 5.
  """

  def check(leaf: base.Leaf):
    _check.models(leaf, 'model_stock', 2, None)
    _check.unweighted(leaf, 'model_stock')

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    n = len(leaf.deltas)
    units = _stack.units(leaf.deltas)
    # |sum u|^2 = sum |u|^2 + sum over pairs of their cosines, both ways.
    both = jnp.sum(_stack.summed(units) ** 2) - jnp.sum(units * units)
    cosine = both / (n * (n - 1))
    t = _stack.ratio(n * cosine, 1 + (n - 1) * cosine)
    t = jnp.clip(t, 0, 1) if clip else t
    return t * _stack.summed(leaf.deltas) / n

  return base.Recipe(base.Combine(apply, check=check, kind=base.alike))
