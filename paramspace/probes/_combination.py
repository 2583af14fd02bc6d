"""Points that models span."""

from collections.abc import Mapping
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees


def combination(
  models: Sequence[base.Params], weights: jax.Array
) -> base.Params:
  r"""Returns sum_k w_k theta_k, where the n weights sum to 1.

  It is counted from the model m of the largest weight,

    theta_m + sum_k w_k (theta_k - theta_m),

  so that it is a model to the bit where all others have the weight 0, and where
  the models are equal, it is what they are.

  Args:
    models: n trees; only the floating-point leaves count of all but the first.
    weights: `[n]`.

  Returns:
    A tree in the dtypes of the first, computed in float32 or wider.
  """
  rest = [trees.floating(model) for model in models[1:]]
  return mixed(models[0], rest, weights)


def mixed(
  first: base.Params,
  rest: Sequence[Mapping[str, jax.Array]],
  weights: jax.Array,
) -> base.Params:
  """Returns the same of a tree and of leaves by name."""
  nearest = jnp.argmax(weights).astype(jnp.int32)
  leaves = {
    name: _leaf([x, *(others[name] for others in rest)], weights, nearest)
    for name, x in trees.floating(first).items()
  }
  return trees.replace(first, leaves)


def _leaf(
  xs: Sequence[jax.Array], weights: jax.Array, nearest: jax.Array
) -> jax.Array:
  wide = [trees.widen(x) for x in xs]
  origin = jax.lax.select_n(nearest, *wide)
  w = weights.astype(origin.dtype)
  moves = [w[k] * (x - origin) for k, x in enumerate(wide)]
  return (origin + sum(moves[1:], moves[0])).astype(xs[0].dtype)
