"""Leaves that are one array under several names."""

from collections.abc import Mapping
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from paramspace import base as types
from paramspace import trees


def find(
  params: Sequence[types.Params], given: Mapping[str, str] | None
) -> dict[str, str]:
  """Returns the copies, by name, and the leaf that each is a copy of.

  Args:
    params: The base and the models.
    given: What the caller says; without it, leaves are tied that are the same
      object in the base and in every model.

  Raises:
    ValueError: If the values of what is said to be tied differ.
  """
  leaves = [trees.named(p) for p in params]
  if given is None:
    first, found = {}, {}
    for name in leaves[0]:
      same = tuple(id(row[name]) for row in leaves)
      if same in first and trees.is_floating(leaves[0][name]):
        found[name] = first[same]
      first.setdefault(same, name)
    return found
  for copy, name in given.items():
    for row in leaves:
      _check(row, copy, name, given)
  return dict(given)


def _check(
  row: Mapping[str, jax.Array], copy: str, name: str, given: Mapping[str, str]
) -> None:
  for each in (copy, name):
    if each not in row:
      raise ValueError(
        f'`tied` names {each!r}, which is no leaf; near misses: '
        f'{trees.nearest(each, list(row))}.'
      )
  if name in given:
    raise ValueError(f'`tied`: {copy!r} is a copy of {name!r}, itself a copy.')
  a, b = row[copy], row[name]
  if isinstance(a, jax.core.Tracer) or isinstance(b, jax.core.Tracer):
    return
  if not jnp.array_equal(a, b):
    raise ValueError(
      f'`tied`: {copy!r} and {name!r} have different values; they are two '
      'leaves.'
    )
