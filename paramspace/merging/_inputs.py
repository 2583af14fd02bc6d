"""The models that are merged: checked, and stacked leaf by leaf."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base as types
from paramspace import trees

LIMIT = 1 << 31  # Counts are int32 on devices.


def check(base: types.Params, tuned: Mapping[str, types.Params]) -> None:
  """Raises unless there are models, all like the base."""
  if not isinstance(tuned, Mapping) or not tuned:
    raise ValueError(
      'merge: `tuned` must hold one model or more by name, got '
      f'{type(tuned).__name__} of length {len(tuned)}; write '
      "{'math': params, ...}."
    )
  trees.floating(base)
  for name in sorted(tuned):
    what = f'merge: {name!r}, beside the base'
    trees.check_same(base, tuned[name], what)
    trees.check_carried(base, tuned[name], what)


def check_finite(
  base: types.Params, tuned: Mapping[str, types.Params], out: types.Params
) -> None:
  """Raises if a value is not finite: of a model, or else of their merge."""
  _check_finite(base, 'the base')
  for name in sorted(tuned):
    _check_finite(tuned[name], repr(name))
  for name, x in trees.floating(out).items():
    if not jnp.isfinite(x).all():
      raise ValueError(
        f'merge: leaf {name!r} of the result is too large for {x.dtype}; merge '
        'at a smaller scale, or give a wider `out_dtype`.'
      )


def _check_finite(params: types.Params, model: str) -> None:
  for name, x in trees.floating(params).items():
    if not _unknown(x) and not jnp.isfinite(x).all():
      raise ValueError(
        f'merge: leaf {name!r} of {model} has {int((~jnp.isfinite(x)).sum())} '
        'values that are not finite; mend the model or leave it out.'
      )


def check_size(leaves: Mapping[str, jax.Array]) -> None:
  """Raises if what is known of all leaves cannot be counted."""
  size = sum(x.size for x in leaves.values())
  if size >= LIMIT:
    raise ValueError(
      f'The tree has {size} values, more than an int32 counts; merge by '
      "scope='leaf'."
    )


def weights(
  given: Mapping[str, Any] | None, models: Sequence[str], names: Sequence[str]
) -> dict[str, jax.Array]:
  """Returns the weights `[n]` of each leaf, ones where none were given.

  Args:
    given: By model a scalar, or scalars by leaf name.
    models: The models in their order.
    names: The leaves.

  Raises:
    ValueError: If a model or a leaf has no weight, or one is not finite.
  """
  if given is None:
    return dict.fromkeys(names, np.ones(len(models), np.float32))
  same_keys('weights', given, models)
  for model, value in given.items():
    if isinstance(value, Mapping):
      same_keys(f'the weights of {model!r}', value, names)
  return {
    name: _stacked(
      [v[name] if isinstance(v, Mapping) else v for v in map(given.get, models)]
    )
    for name in names
  }


def _stacked(values: list[Any]) -> jax.Array:
  if any(isinstance(v, jax.Array) for v in values):
    values = [jnp.asarray(v).astype(jnp.float32) for v in values]
  for v in values:
    if jnp.shape(v) or (not _unknown(v) and not np.isfinite(v)):
      raise ValueError(f'A weight must be a finite scalar, got {v}.')
  if any(isinstance(v, jax.Array) for v in values):
    return jnp.stack(values)
  return np.asarray(values, np.float32)


def statistics(
  given: Mapping[str, types.Params] | None,
  models: Sequence[str],
  names: Sequence[str],
) -> dict[str, jax.Array]:
  """Returns the statistics of some leaves, `[n, ...]` by name.

  Raises:
    ValueError: If those of a model are missing, are of other leaves or shapes
      than those of another, are not finite, or belong to no leaf.
  """
  if given is None:
    return {}
  same_keys('statistics', given, models)
  first = given[models[0]]
  for model in models:
    trees.check_shapes(first, given[model], f'merge: statistics of {model!r}')
    _check_finite(given[model], f'the statistics of {model!r}')
  for name in trees.named(first):
    if name not in names:
      raise ValueError(
        f'There is a statistic of {name!r}, which is no floating-point leaf; '
        f'near misses: {trees.nearest(name, list(names))}.'
      )
  rows = [trees.named(given[model]) for model in models]
  return {n: jnp.stack([trees.widen(r[n]) for r in rows]) for n in rows[0]}


def same_keys(
  what: str, given: Mapping[str, Any], names: Sequence[str]
) -> None:
  """Raises unless the keys of `given` are `names`."""
  missing, unknown = set(names) - set(given), set(given) - set(names)
  if missing or unknown:
    raise ValueError(
      f'merge: {what} should be of {sorted(names)[:5]}; missing '
      f'{sorted(missing)[:5]}, unexpected {sorted(unknown)[:5]}.'
    )


def _unknown(x: Any) -> bool:
  """Whether there are no values yet."""
  return isinstance(x, jax.core.Tracer | jax.ShapeDtypeStruct)
