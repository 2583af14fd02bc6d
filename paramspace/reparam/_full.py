"""All parameters, for themselves."""

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees


def full() -> base.Reparam:
  r"""theta = z: direct training, and the baseline of every subspace.

  Returns:
    A `Reparam` with `z` the floating-point leaves by name, a copy of the
    parameters at the start; nothing is frozen.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import reparam
    >>> rp = reparam.full()
    >>> params = {'w': jnp.ones((2, 2)), 'step': jnp.array(3)}
    >>> z, frozen = rp.init(jax.random.key(0), params)
    >>> list(z), reparam.count(z)
    (['w'], 4)
  """

  def init(key: base.PRNGKey, params: base.Params):
    del key
    return jax.tree.map(jnp.copy, trees.floating(params)), ()

  def apply(params: base.Params, z: dict[str, jax.Array], frozen: tuple):
    del frozen
    trees.check_same(trees.floating(params), z, 'full: z')
    return trees.replace(params, z)

  return base.Reparam(init, apply)
