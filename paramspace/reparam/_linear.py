"""Linear maps with a transpose of their own."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def linear(
  forward: Callable[[Any], Any], transpose: Callable[[Any], Any], x: Any
) -> Any:
  """Returns `forward(x)`; reverse mode runs `transpose` for its adjoint.

  The transpose that JAX derives is right, but not always fast: that of a gather
  is a scatter, that of a broadcast a sum that XLA:CPU fuses badly. `custom_vjp`
  would end forward mode, and with it Hessian-vector products. This keeps both,
  and `vmap`: y = A x is the second half of the solution of

    (x, y - A x) = (b, 0),   whose transpose   (u - A^T v, v) = (c, e)

  has the solution (c + A^T e, e); `custom_linear_solve` takes the two solutions
  as functions. It asks for the system as well, to differentiate by what that
  closes over: here nothing, so the identity will do, and `forward` may not
  close over anything that is differentiated.

  Args:
    forward: A linear function of a pytree.
    transpose: Its adjoint, a linear function from outputs to inputs.
    x: The argument.

  Returns:
    `forward(x)`.
  """
  # `custom_linear_solve` can be differentiated where every part of b, and going
  # back every part of the cotangent, is a function of the argument, not a
  # constant zero. `_tied` makes them one; XLA removes it from the program.
  out = jax.eval_shape(forward, x)
  zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), out)
  add = lambda a, b: jax.tree.map(jnp.add, a, b)
  _, y = _tied(
    jax.lax.custom_linear_solve(
      matvec=lambda xy: xy,
      b=_tied((x, zero)),
      solve=lambda _, b: (b[0], forward(b[0])),
      transpose_solve=lambda _, c: (add(c[0], transpose(c[1])), c[1]),
    )
  )
  return y


def _tied(tree: Any) -> Any:
  """Returns `tree`, each leaf of which looks like a function of all leaves."""
  leaves = [x for x in jax.tree.leaves(tree) if x.size]
  total = sum(x.astype(jnp.float32).sum() for x in leaves)
  return jax.tree.map(
    lambda x: jnp.where(False, total.astype(x.dtype), x), tree
  )
