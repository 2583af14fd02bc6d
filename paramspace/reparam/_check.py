"""What every method asks of its arguments."""

import jax

from paramspace import base
from paramspace import trees


def dim_positive(dim: int) -> None:
  """Raises ValueError unless `dim` is a positive integer."""
  if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
    raise ValueError(f'`dim` must be a positive integer, got {dim!r}.')


def total(params: base.Params) -> int:
  """Returns D, the number of floating-point parameters.

  Raises:
    ValueError: If there is none.
  """
  return sum(x.size for x in trees.floating(params).values())


def fits(params: base.Params, dim: int) -> None:
  """Raises ValueError if `dim` exceeds the number of parameters."""
  if dim > total(params):
    raise ValueError(
      f'`dim` is {dim}, more than the {total(params)} parameters of the tree; '
      'a subspace needs dim <= D. `reparam.full()` trains all of them.'
    )


def vector(z: jax.Array, dim: int) -> None:
  """Raises ValueError unless `z` is a vector of `dim` coordinates."""
  if not hasattr(z, 'shape') or z.shape != (dim,):
    got = getattr(z, 'shape', type(z).__name__)
    raise ValueError(f'`z` should be a vector of {dim} coordinates, got {got}.')
