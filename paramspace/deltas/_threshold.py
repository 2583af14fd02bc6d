"""The k-th largest magnitude of a tree, for methods of other packages."""

from collections.abc import Callable
from typing import Any

from paramspace.deltas import _prune
from paramspace.deltas import _rounds
from paramspace.deltas import _select


def threshold(
  count: Callable[[int], int],
) -> tuple[_prune.Round, _prune.Round]:
  """Makes the rounds that find the k-th largest magnitude of all leaves.

  Args:
    count: Returns k for the number of values in the tree.

  Returns:
    Rounds after which `known['value']` is the magnitude, float32.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import deltas
    >>> x, known = jnp.array([3.0, -4.0, 1.0]), {}
    >>> for look in deltas.threshold(lambda n: 2):
    ...   seen = look.observe(known, jax.random.key(0), 'x', x)
    ...   known = look.conclude(known, seen)
    >>> float(known['value'])
    3.0
  """
  first, last = _rounds.kth(count)

  def conclude(known: dict, seen: dict[str, Any]):
    found = last.conclude(known, seen)
    return found | {'value': _select.value(found['threshold'])}

  return first, last._replace(conclude=conclude)
