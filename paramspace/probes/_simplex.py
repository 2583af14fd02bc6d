"""What lies between three models or more."""

import itertools
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace.probes import _check
from paramspace.probes import _combination
from paramspace.probes import _evaluate
from paramspace.probes import _settings


class Simplex(NamedTuple):
  """What was measured between n models.

  Attributes:
    weights: The barycentric coordinates of the points, `[points, n]`; rows sum
      to 1.
    values: A tree like that of the metric, leaves `[points]`.
    settings: The arguments of the probe.
  """

  weights: jax.Array
  values: Any
  settings: _settings.Settings = _settings.Settings()


def simplex(
  metric: _evaluate.Metric,
  models: Sequence[base.Params],
  *,
  steps: int = 9,
  data: Any = None,
  prepare: _evaluate.Prepare | None = None,
  batch_size: int | None = None,
) -> Simplex:
  r"""Measures the points sum_k w_k theta_k, w_k >= 0, sum_k w_k = 1.

  They lie on a grid on which every edge is the `line` of its two models, with
  as many steps. The vertices are the models themselves, to the bit. The point
  of equal weights, the uniform soup, is on it if n divides steps - 1.

  Args:
    metric: As in `line`.
    models: n of them, three or more. All are in memory.
    steps: The number of points along an edge, both vertices among them; for n
      models there are binomial(steps + n - 2, n - 1) points.
    data: As in `line`.
    prepare: As in `line`.
    batch_size: As in `line`.

  Returns:
    A `Simplex`. Points are computed in float32 or wider, and have the dtypes of
    the first model.

  Raises:
    ValueError: If there are fewer than three models, they differ as in `line`,
      or an argument is out of its range.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> models = [{'w': row} for row in jnp.eye(3)]
    >>> loss = lambda params: jnp.sum(params['w'] ** 2)
    >>> found = probes.simplex(loss, models, steps=3)
    >>> found.weights[1].tolist(), float(found.values[1])
    ([0.5, 0.5, 0.0], 0.5)
  """
  _check.steps(steps)
  if len(models) < 3:
    raise ValueError(
      f'A simplex is between three models or more, got {len(models)}; between '
      'two there is a `line`.'
    )
  _check.alike(models, [f'model {k}' for k in range(len(models))])
  weights = grid(len(models), steps)
  values = _evaluate.at_points(
    metric,
    _combination.combination,
    tuple(models),
    weights,
    data=data,
    prepare=prepare,
    batch_size=batch_size,
  )
  settings = _settings.Settings(
    probe='simplex',
    models=len(models),
    steps=steps,
    prepared=prepare is not None,
  )
  return Simplex(weights, values, settings)


def grid(n: int, steps: int) -> np.ndarray:
  """Returns all rows of n multiples of 1 / (steps - 1) that sum to 1.

  The first row is the first model, and the last row the last one.

  >>> grid(3, 2).tolist()
  [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
  """
  parts = steps - 1
  # Where the n - 1 bars stand among the stars.
  bars = itertools.combinations(range(parts + n - 1), n - 1)
  ends = np.array([(-1, *row, parts + n - 1) for row in bars])
  counts = (np.diff(ends, axis=1) - 1)[::-1]
  return (counts / parts).astype(jnp.result_type(float))
