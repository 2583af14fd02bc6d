"""git-re-basin's weight matching, written anew from its description.

One group after another in random order, from the identity; array by array, not
compiled as a whole; assignments by SciPy. What is left out is what it prints.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from paramspace import base
from paramspace import symmetry

GAIN = 1e-12


def weight_matching(
  key: base.PRNGKey,
  spec: symmetry.Spec,
  a: base.Params,
  b: base.Params,
  most: int = 100,
) -> tuple[dict[str, jax.Array], int]:
  """Matches `b` to `a` as git-re-basin does.

  Args:
    key: Draws the orders.
    spec: A specification of leaves whose axes are single factors.
    a: A flat tree.
    b: A flat tree.
    most: How many sweeps at most.

  Returns:
    The element, and the number of sweeps.

  References:
    Ainsworth et al, 2022, https://arxiv.org/abs/2209.04836, Algorithm 1.
  """
  groups = {name: group.size for name, group in spec.groups.items()}
  element = {name: jnp.arange(n) for name, n in groups.items()}
  names = list(groups)
  places = {
    name: [
      (leaf, axis)
      for leaf, axes in spec.leaves.items()
      for axis, factor in enumerate(axes)
      if factor.name == name
    ]
    for name in names
  }
  for sweep in range(most):
    progress = False
    order = jax.random.permutation(jax.random.fold_in(key, sweep), len(names))
    for name in (names[k] for k in np.asarray(order)):
      n = groups[name]
      values = jnp.zeros((n, n))
      for leaf, axis in places[name]:
        x, y = a[leaf], _permuted(spec, element, leaf, b[leaf], axis)
        x = jnp.moveaxis(x, axis, 0).reshape((n, -1))
        y = jnp.moveaxis(y, axis, 0).reshape((n, -1))
        values += x @ y.T
      _, columns = optimize.linear_sum_assignment(values, maximize=True)
      old = jnp.vdot(values, jnp.eye(n)[element[name]])
      new = jnp.vdot(values, jnp.eye(n)[columns, :])
      progress = progress or bool(new > old + GAIN)
      element[name] = jnp.array(columns)
    if not progress:
      break
  return element, sweep + 1


def _permuted(spec, element, leaf, x, but):
  """Returns a leaf permuted along all of its axes but one."""
  for axis, factor in enumerate(spec.leaves[leaf]):
    if factor.name and axis != but:
      x = jnp.take(x, element[factor.name], axis=axis)
  return x
