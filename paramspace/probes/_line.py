"""The straight line between two models."""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import averaging
from paramspace import base
from paramspace.probes import _check
from paramspace.probes import _evaluate
from paramspace.probes import _settings


class Path(NamedTuple):
  """What was measured on the way from one model to another.

  Attributes:
    t: Where, from 0 to 1, `[steps]`.
    values: A tree like that of the metric, leaves `[steps]`.
    settings: The arguments of the probe.
  """

  t: jax.Array
  values: Any
  settings: _settings.Settings = _settings.Settings()


def line(
  metric: _evaluate.Metric,
  a: base.Params,
  b: base.Params,
  *,
  steps: int = 25,
  data: Any = None,
  prepare: _evaluate.Prepare | None = None,
  batch_size: int | None = None,
) -> Path:
  r"""Measures the points (1 - t) a + t b of a straight line.

  The ends are the models themselves, to the bit. All is one compiled program,
  kept for each metric: define a metric once, and hand it its data, where many
  lines are drawn.

  Args:
    metric: A pure function `(params) -> values`, or `(params, data) -> values`:
      a scalar, or a tree of them, so that loss and accuracy, of training and
      test data, come from one pass.
    a: A tree; the point at t = 0.
    b: A tree like it; the point at t = 1.
    steps: The number of points, both ends among them.
    data: What the metric takes besides the parameters. Large arrays are better
      here than in a closure, where they are compiled in.
    prepare: `(params) -> params`, applied at every point before the metric,
      such as `fresh_batch_stats(...)`. It is called outside `jit`, with one
      point after another, and may compute on the host. What it returns is what
      the metric gets.
    batch_size: How many points are evaluated at once; one after another if it
      is not given, which takes the least memory, and on CPU the least time for
      convolutions.

  Returns:
    A `Path`. Points are computed in float32 or wider, and have the dtypes of
    `a`. Leaves that are not floating-point are those of both.

  Raises:
    ValueError: If the models differ in leaves, shapes, dtypes or, outside
      `jit`, in values that are not floating-point; if an argument is out of its
      range, or the metric returns what is not a scalar.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> loss = lambda params: jnp.sum(params['w'] * (1 - params['w']))
    >>> a, b = {'w': jnp.zeros(2)}, {'w': jnp.ones(2)}
    >>> path = probes.line(loss, a, b, steps=5)
    >>> path.values.tolist()
    [0.0, 0.375, 0.5, 0.375, 0.0]
    >>> float(probes.barrier(path))
    0.5

  References:
    Goodfellow et al, 2015, Qualitatively characterizing neural network
    optimization problems, https://arxiv.org/abs/1412.6544. Frankle et al, 2020,
    Linear Mode Connectivity, https://arxiv.org/abs/1912.05671.
  """
  _check.steps(steps)
  _check.alike([a, b], ['a', 'b'])
  t = unit_grid(steps)
  values = _evaluate.at_points(
    metric,
    _between,
    (a, b),
    t,
    data=data,
    prepare=prepare,
    batch_size=batch_size,
  )
  settings = _settings.Settings(
    probe='line', steps=steps, prepared=prepare is not None
  )
  return Path(t, values, settings)


def unit_grid(steps: int) -> np.ndarray:
  """Returns points from 0 to 1, both exactly; known under `jit` too."""
  return np.linspace(0, 1, steps, dtype=jnp.result_type(float))


def _between(ends: tuple[base.Params, base.Params], t: jax.Array):
  return averaging.lerp(*ends, t)
