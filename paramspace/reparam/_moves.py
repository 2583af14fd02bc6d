"""What one does with a reparameterization besides training in it."""

from typing import Any

import jax

from paramspace import base
from paramspace import trees


def count(z: Any) -> int:
  """Returns the number of trained scalars.

  >>> import jax.numpy as jnp
  >>> count((jnp.zeros(3), {'a': jnp.zeros((2, 2))}))
  7
  """
  return trees.size(z)


def merge(
  rp: base.Reparam, params: base.Params, z: Any, frozen: Any
) -> base.Params:
  """Returns the parameters at `z`, added in float32 and cast once.

  Args:
    rp: A reparameterization.
    params: The parameters theta_0 that it was initialised with.
    z: Coordinates.
    frozen: The frozen part that belongs to them.

  Returns:
    A tree like `params`.

  Raises:
    ValueError: If `z` is not of the structure, shapes and dtypes of `rp`.
  """
  expected, _ = jax.eval_shape(rp.init, jax.random.key(0), params)
  trees.check_same(expected, z, 'merge: z')
  return jax.jit(rp.apply)(params, z, frozen)


def rebase(
  rp: base.Reparam, key: base.PRNGKey, params: base.Params, z: Any, frozen: Any
) -> tuple[base.Params, Any, Any]:
  """Moves the origin to the current point and redraws the basis there.

  Every k steps of training this is a random-basis descent; with k = 1 and SGD,
  theta_{t+1} = theta_t - eta P_t P_t^T grad L(theta_t).

  Args:
    rp: A reparameterization.
    key: The key of the new basis.
    params: The parameters theta_0 at the old origin.
    z: The coordinates reached.
    frozen: The frozen part of the old basis.

  Returns:
    `(params, z, frozen)`: the point reached, the new initial coordinates, and
    the new frozen part.

  References:
    Gressmann et al, 2020, Improving Neural Network Training in Low Dimensional
    Random Bases, https://arxiv.org/abs/2011.04720.
  """
  params = rp.apply(params, z, frozen)
  z, frozen = rp.init(key, params)
  return params, z, frozen
