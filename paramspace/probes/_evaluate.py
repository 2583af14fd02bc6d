"""A metric at many points, by one program."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees

Metric = Callable[..., Any]  # (params) or (params, data) -> scalars.
Prepare = Callable[[base.Params], Any]
Place = Callable[[Any, jax.Array], base.Params]  # (models, point) -> params.


def at_points(
  metric: Metric,
  place: Place,
  models: Any,
  points: jax.Array,
  *,
  data: Any = None,
  prepare: Prepare | None = None,
  batch_size: int | None = None,
) -> Any:
  """Returns the values of a metric at all points.

  Args:
    metric: As in `line`.
    place: Returns the parameters at a point; a function of a module, so that
      what is compiled is found again.
    models: What the points are between.
    points: `[n, ...]`.
    data: As in `line`.
    prepare: As in `line`.
    batch_size: As in `line`.

  Returns:
    A tree like that of the metric, leaves `[n]`.

  Raises:
    ValueError: If the metric returns what is not a scalar.
  """
  data = () if data is None else (data,)
  if prepare is None:
    _check_batch_size(batch_size)
    return _mapped(metric, place, models, points, data, batch_size)
  if batch_size is not None:
    raise ValueError(
      f'`batch_size` {batch_size} points cannot be taken at once: `prepare` '
      'takes one after another. Give one of the two.'
    )
  rows = []
  for point in jnp.asarray(points):
    prepared = prepare(_placed(place, models, point))
    rows.append(_measured(metric, prepared, data))
  return jax.tree.map(lambda *xs: jnp.stack(xs), *rows)


@functools.partial(jax.jit, static_argnums=(0, 1, 5))
def _mapped(metric, place, models, points, data, batch_size):
  one = lambda point: _scalars(metric(place(models, point), *data))
  return jax.lax.map(one, points, batch_size=batch_size)


@functools.partial(jax.jit, static_argnums=0)
def _placed(place, models, point):
  return place(models, point)


@functools.partial(jax.jit, static_argnums=0)
def _measured(metric, params, data):
  return _scalars(metric(params, *data))


def _scalars(values: Any) -> Any:
  """Returns what a metric returned, if it is scalars; raises while tracing."""
  values = jax.tree.map(jnp.asarray, values)
  if not jax.tree.leaves(values):
    raise ValueError(f'The metric returned nothing to measure: {values!r}.')
  for name, x in trees.named(values).items():
    if x.shape:
      raise ValueError(
        f'The metric must return scalars, but {name or "its value"!r} has the '
        f'shape {list(x.shape)}; take its mean.'
      )
  return values


def _check_batch_size(value: int | None) -> None:
  whole = isinstance(value, int) and not isinstance(value, bool)
  if value is not None and not (whole and value > 0):
    raise ValueError(
      f'`batch_size` must be a positive integer or None, got {value!r}.'
    )
