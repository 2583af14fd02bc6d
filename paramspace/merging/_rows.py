"""Prunes along rows as PyTorch has them."""

from collections.abc import Callable
from collections.abc import Mapping

import jax

from paramspace import base
from paramspace import deltas
from paramspace.merging import _layout


def by_output(
  make: Callable[[int], deltas.Prune], stacked: Mapping[str, int] | None
) -> deltas.Prune:
  """Returns a prune whose rows are what one output is made of.

  Of a kernel `[..., in, out]` those lie along the axis before the last; of a
  weight of PyTorch `[out, in]`, an embedding `[rows, features]` and a vector,
  along the last.

  Args:
    make: Returns the prune for an axis, without rounds.
    stacked: As in `axes`.
  """
  kernel, other = make(-2), make(-1)

  def apply(known: dict, key: base.PRNGKey, name: str, x: jax.Array):
    at = _layout.axes(name, x.shape, stacked)
    chosen = kernel if at.kind == 'kernel' else other
    return chosen.apply(known, key, name, x)

  def kind(name: str, shape: tuple[int, ...]):
    return _layout.axes(name, shape, stacked).kind

  return deltas.Prune(apply, kind=kind)
