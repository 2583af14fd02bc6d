"""What is left of a delta once it is added and cast."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base as types
from paramspace import trees
from paramspace.deltas import _arithmetic


class Loss(NamedTuple):
  """How much of a delta a cast lost, as scalars.

  Attributes:
    unchanged: Of the entries whose delta is not 0, the fraction that come out
      equal to the base.
    error: |realised - delta| / |delta|, Euclidean norms.
  """

  unchanged: jax.Array
  error: jax.Array


class Lost(NamedTuple):
  """The report.

  Attributes:
    total: Over all entries.
    leaves: The same for each floating-point leaf, by name.
  """

  total: Loss
  leaves: dict[str, Loss]


def lost(
  base: types.Params,
  delta: types.Params,
  scale: _arithmetic.Scalar = 1.0,
  out_dtype: jax.typing.DTypeLike | None = None,
  rounding: str = 'nearest',
  key: types.PRNGKey | None = None,
) -> Lost:
  r"""Reports what `add`, with the same arguments, loses of the delta.

  Args:
    base: A tree.
    delta: A tree like it.
    scale: A number.
    out_dtype: As in `add`.
    rounding: As in `add`.
    key: As in `add`.

  Returns:
    The report; zeros where the delta is zero.

  Raises:
    ValueError: As `add` does.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> base = {'w': jnp.ones(2, jnp.bfloat16)}
    >>> delta = {'w': jnp.array([0.5, 0.001])}
    >>> float(deltas.lost(base, delta).total.unchanged)
    0.5
  """
  out = _arithmetic.add(base, delta, scale, out_dtype, rounding, key)
  return lost_in(out, base, delta, scale)


def lost_in(
  out: types.Params,
  base: types.Params,
  delta: types.Params,
  scale: _arithmetic.Scalar = 1.0,
) -> Lost:
  """Reports what a sum that is already there has lost of the delta.

  Args:
    out: What `add` has made of the others.
    base: As in `lost`.
    delta: As in `lost`.
    scale: As in `lost`.

  Returns:
    The report.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> base = {'w': jnp.ones(2, jnp.bfloat16)}
    >>> delta = {'w': jnp.array([0.5, 0.001])}
    >>> out = deltas.add(base, delta)
    >>> float(deltas.lost_in(out, base, delta).total.unchanged)
    0.5
  """
  summed, wanted = trees.floating(out), trees.floating(delta)
  sums = {
    name: _sums(x, wanted[name], scale, summed[name])
    for name, x in trees.floating(base).items()
  }
  total = jax.tree.map(lambda *xs: sum(xs), *sums.values())
  return Lost(_loss(total), {name: _loss(s) for name, s in sums.items()})


def _sums(
  x: jax.Array, delta: jax.Array, scale: _arithmetic.Scalar, out: jax.Array
) -> dict[str, jax.Array]:
  before = x.astype(out.dtype)
  dtype = _arithmetic.common(x, delta)
  x, y, d = (a.astype(dtype) for a in (x, out, delta))
  d = d * jnp.asarray(scale).astype(dtype)
  error = jnp.where(d == 0, 0, (y - x) - d)
  unchanged = (d != 0) & (out == before)
  counts = [(d != 0).astype(dtype), unchanged.astype(dtype)]
  parts = _by_row([*counts, d * d, error * error])
  whole = [jnp.sum(a.astype(jnp.int32)) for a in parts[:2]]
  found = [*whole, *map(jnp.sum, parts[2:])]
  names = 'moved', 'unchanged', 'delta', 'error'
  rows = zip(names, found, strict=True)
  return {name: a.astype(jnp.float32) for name, a in rows}


def _by_row(parts: list[jax.Array]) -> list[jax.Array]:
  """Sums each over its last axis, all in one pass.

  XLA, on CPU, would go through all of them for every sum.
  """
  parts = [jax.lax.stop_gradient(a) for a in parts]
  if not parts[0].ndim:
    return parts
  none = [jnp.zeros((), a.dtype) for a in parts]
  add = lambda a, b: tuple(x + y for x, y in zip(a, b, strict=True))
  return [*jax.lax.reduce(parts, none, add, (parts[0].ndim - 1,))]


def _loss(sums: dict[str, jax.Array]) -> Loss:
  ratio = lambda a, b: jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)
  return Loss(
    ratio(sums['unchanged'], sums['moved']),
    jnp.sqrt(ratio(sums['error'], sums['delta'])),
  )
