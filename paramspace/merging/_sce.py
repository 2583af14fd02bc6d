"""Select what varies, calculate weights, erase minorities (SCE)."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import deltas
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def sce(density: float = 1.0, scale: float | jax.Array = 1.0) -> base.Recipe:
  r"""theta = base + scale sum_i eta_i a_i m delta_i / sum_i eta_i a_i.

  m selects the `density` entries of a leaf that vary most over the models. Of
  what it leaves, delta'_i, a model's weight in a leaf is its share of the
  squares, and those are erased whose sign is not that of the sum:

    eta_i = |delta'_i|^2 / sum_j |delta'_j|^2,
    a_i = [sgn(delta'_i) = sgn(sum_j delta'_j)].

  Args:
    density: The fraction that is selected, in [0, 1], the paper's tau.
    scale: The factor of the merged delta.

  Returns:
    A recipe without weights.

  Raises:
    ValueError: If the density is out of its range or, in `merge`, weights
      differ.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> a, b = {'w': jnp.array([2.0, 1.0])}, {'w': jnp.array([-1.0, 1.0])}
    >>> merging.merge(base, {'a': a, 'b': b}, merging.sce())['w']
    Array([2., 1.], dtype=float32)

  Note: The last division, by the weights of those that agree, is mergekit's.
    It takes equal weights where squares sum to less than 1e-6, which they do
    in most fine-tunings, and the density from the entries that vary at all.

  References:
    Wan et al, 2024, FuseChat, https://arxiv.org/abs/2408.07990, Section 3.3.
  """
  _check.fraction('density', density)
  select = deltas.trim(density)

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    values = leaf.deltas
    if density < 1 and len(values) > 1:
      apart = values - _stack.summed(values)[None] / len(values)
      variance = _stack.summed(apart * apart) / len(values)
      kept = select.apply({}, None, leaf.name, variance) > 0
      values = jnp.where(kept[None], values, 0)
    squares = _stack.norms(values) ** 2
    shares = _stack.ratio(squares, jnp.sum(squares))
    agree = jnp.sign(values) == jnp.sign(_stack.summed(values))[None]
    weights = jnp.where(agree, _stack.along(shares, values), 0)
    return _stack.ratio(_stack.summed(weights * values), _stack.summed(weights))

  check = lambda leaf: _check.unweighted(leaf, 'sce')
  combine = base.Combine(apply, check=check, kind=base.alike)
  return base.Recipe(combine, scale=scale)
