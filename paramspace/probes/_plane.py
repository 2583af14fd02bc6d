"""The plane through three models."""

import functools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.probes import _check
from paramspace.probes import _combination
from paramspace.probes import _evaluate
from paramspace.probes import _settings

NAMES = ('a', 'b', 'c')


class Plane(NamedTuple):
  """What was measured in the plane of three models.

  Attributes:
    x: Along b - a, in units of the L2 norm of the parameters, `[columns]`.
    y: At right angles, `[rows]`.
    values: A tree like that of the metric, leaves `[rows, columns]`.
    models: (x, y) of a, b and c, `[3, 2]`.
    at_models: A tree like `values`, of the three models, leaves `[3]`.
    settings: The arguments of the probe.
  """

  x: jax.Array
  y: jax.Array
  values: Any
  models: jax.Array
  at_models: Any
  settings: _settings.Settings = _settings.Settings()


def plane(
  metric: _evaluate.Metric,
  a: base.Params,
  b: base.Params,
  c: base.Params,
  *,
  steps: int = 25,
  margin: float = 0.2,
  data: Any = None,
  prepare: _evaluate.Prepare | None = None,
  batch_size: int | None = None,
) -> Plane:
  r"""Measures the points a + x u + y v of the plane through three models.

    u = (b - a) / |b - a|,
    v = w / |w|,  w = c - a - <c - a, u> u,

  so that distances on the map are L2 distances between parameters: a is at
  (0, 0), b at (|b - a|, 0), and c at (<c - a, u>, |w|).

  Args:
    metric: As in `line`.
    a: A tree; the origin.
    b: A tree like it.
    c: A tree like it, such as b with its units permuted, or the bend of a
      curve from a to b.
    steps: The number of grid points along each axis.
    margin: How far the grid goes on beyond the models, on each side, as a share
      of what they extend over.
    data: As in `line`.
    prepare: As in `line`.
    batch_size: As in `line`.

  Returns:
    A `Plane`. Points are computed in float32 or wider, and have the dtypes of
    `a`. Only floating-point leaves have distances.

  Raises:
    ValueError: If the models differ as in `line`, two are the same or all lie
      on a line, or an argument is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> models = [{'w': jnp.array(w)} for w in ([1., 1.], [5., 1.], [2., 3.])]
    >>> loss = lambda params: jnp.sum(params['w'])
    >>> found = probes.plane(loss, *models, steps=5, margin=0.0)
    >>> found.models.tolist()
    [[0.0, 0.0], [4.0, 0.0], [1.0, 2.0]]
    >>> found.at_models.tolist(), float(found.values[4, 1])
    ([2.0, 6.0, 5.0], 5.0)

  References:
    Garipov et al, 2018, Loss Surfaces, Mode Connectivity, and Fast Ensembling,
    https://arxiv.org/abs/1802.10026, Section 3.
  """
  _check.steps(steps)
  if not margin >= 0:
    raise ValueError(f'`margin` must be 0 or more, got {margin}.')
  _check.alike([a, b, c], NAMES)
  models = _coordinates(a, b, c)
  _check_triangle(models)
  x, y, weights = _grid(models, margin, steps)
  values = _evaluate.at_points(
    metric,
    _combination.combination,
    (a, b, c),
    weights,
    data=data,
    prepare=prepare,
    batch_size=batch_size,
  )
  settings = _settings.Settings(
    probe='plane', steps=steps, margin=margin, prepared=prepare is not None
  )
  rows = jax.tree.map(lambda z: z[3:].reshape(steps, steps), values)
  at_models = jax.tree.map(lambda z: z[:3], values)
  return Plane(x, y, rows, models, at_models, settings)


@jax.jit
def _coordinates(a, b, c) -> jax.Array:
  """Returns (x, y) of the models, `[3, 2]`."""
  origin, b, c = (
    {n: trees.widen(x) for n, x in trees.floating(tree).items()}
    for tree in (a, b, c)
  )
  first = {n: b[n] - x for n, x in origin.items()}
  second = {n: c[n] - x for n, x in origin.items()}
  squared = _dot(first, first)
  share = _dot(second, first) / squared
  # What is left is formed before its norm: their squares would cancel.
  left = {n: x - share.astype(x.dtype) * first[n] for n, x in second.items()}
  length, height = jnp.sqrt(squared), jnp.sqrt(_dot(left, left))
  zero = jnp.zeros_like(length)
  corners = [[zero, zero], [length, zero], [share * length, height]]
  return jnp.stack([jnp.stack(corner) for corner in corners])


def _dot(u: dict[str, jax.Array], v: dict[str, jax.Array]) -> jax.Array:
  sums = [jnp.sum(x * v[n]) for n, x in u.items()]
  dtype = jnp.result_type(float)
  return sum(x.astype(dtype) for x in sums)


@functools.partial(jax.jit, static_argnums=2)
def _grid(
  models: jax.Array, margin: float, steps: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Returns the axes, and the weights of the models and of all points."""
  x, y = (_axis(models[:, k], margin, steps) for k in (0, 1))
  points = jnp.stack([grid.ravel() for grid in jnp.meshgrid(x, y)], axis=1)
  vertices = jnp.eye(3, dtype=x.dtype)
  return x, y, jnp.concatenate([vertices, _weights(points, models)])


def _axis(models: jax.Array, margin: float, steps: int) -> jax.Array:
  low, high = jnp.min(models), jnp.max(models)
  beyond = margin * (high - low)
  return jnp.linspace(low - beyond, high + beyond, steps)


def _weights(points: jax.Array, models: jax.Array) -> jax.Array:
  """Returns the barycentric coordinates of points `[n, 2]`, `[n, 3]`."""
  (_, _), (length, _), (along, height) = models
  x, y = points[:, 0], points[:, 1]
  of_c = y / height
  of_b = (x - of_c * along) / length
  return jnp.stack([1 - of_b - of_c, of_b, of_c], axis=1)


def _check_triangle(models: jax.Array) -> None:
  """Raises unless the models span a plane, where they are known."""
  if isinstance(models, jax.core.Tracer):
    return
  models = np.asarray(models)
  length, height = models[1, 0], models[2, 1]
  if not length > 0:
    raise ValueError(
      f'plane: the distance of a and b is {length}; three different models '
      'with finite parameters span a plane.'
    )
  # Below it, the height is rounding.
  least = 1e-6 * max(length, abs(models[2, 0]))
  if not height > least:
    raise ValueError(
      f'plane: c is {height} away from the line through a and b, which is '
      f'{length} long; give a model off the line, or draw the `line`.'
    )
