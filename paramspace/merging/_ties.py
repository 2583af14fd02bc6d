"""Trim, elect signs, merge what agrees (TIES)."""

import jax

from paramspace import base
from paramspace import deltas
from paramspace.merging import _config
from paramspace.merging import _consensus


@_config.recorded
def ties(
  density: float = 0.2,
  scale: float | jax.Array = 1.0,
  reduce: str = 'mean',
  scope: str | None = None,
  compat: str = 'paper',
  sign: str = 'total',
) -> base.Recipe:
  r"""theta = base + scale tau, tau the disjoint mean of trimmed deltas.

  Of each model the `density` entries largest in magnitude are kept. With
  delta_i what is left, every parameter elects a sign, and those that agree are
  averaged:

    gamma = sgn(sum_i delta_i),
    A = {i: sgn(delta_i) = gamma},  tau = sum_(i in A) w_i delta_i / |A|.

  Where the deltas sum to 0, gamma is the sign that most parameters elected.

  Args:
    density: The fraction that is kept, in [0, 1].
    scale: lambda. The paper tunes it, from 0.8 to 2.5.
    reduce: 'mean'; 'sum', without |A|, as AdaMerging and FusionBench have it;
      or 'max', the largest in magnitude.
    scope: Of the trim and of the sign that most elected: 'global', over the
      whole tree, or 'leaf'. 'global' if it is not given and `compat` is
      'paper', else 'leaf', which is all that the others have.
    compat: 'paper'; 'mergekit': weighted deltas elect, a sum of 0 elects +1,
      and the divisor is the sum of the weights in A; or 'peft': a sum of 0
      elects +1.
    sign: 'total', as above, or 'frequency': gamma = sgn(sum_i sgn(delta_i)).

  Returns:
    A recipe.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(3)}
    >>> a = {'w': jnp.array([3.0, 0.1, -1.0])}
    >>> b = {'w': jnp.array([-1.0, 0.2, -3.0])}
    >>> recipe = merging.ties(density=0.67)
    >>> merging.merge(base, {'a': a, 'b': b}, recipe)['w']
    Array([ 3.,  0., -2.], dtype=float32)

  Note: The paper has no weights; ours are those of PEFT, factors that have no
    part in the election. The authors' code keeps floor(density n) + 1 entries,
    and all that are equal to the last; here, exactly floor(density n).

  References:
    Yadav et al, 2023, TIES-Merging, https://arxiv.org/abs/2306.01708, Section
    4, Algorithm 1.
  """
  combine = _consensus.consensus(reduce, scope, compat, sign)
  scope = scope or ('global' if compat == 'paper' else 'leaf')
  prune = deltas.trim(density, scope=scope)
  return base.Recipe(combine, prune, scale, draws=False)
