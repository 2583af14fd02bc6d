"""What studies of paths between models say about a path."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from paramspace import averaging
from paramspace import base
from paramspace import matching
from paramspace import probes

KINDS = ('chord', 'mean', 'ends', 'midpoint')


def repaired_line(
  metric: Callable[..., Any],
  repair: Callable[..., matching.Repaired],
  a: base.Params,
  b: base.Params,
  *,
  steps: int,
  data: Any,
) -> probes.Path:
  """Measures a line whose points are repaired, each for where it lies.

  Args:
    metric: As `probes.line` takes it.
    repair: A `matching.repairer` of `a` and `b`.
    a: The model at t = 0.
    b: The model at t = 1.
    steps: The number of points.
    data: What the metric takes besides the parameters.
  """
  t, rows, measure = (
    np.linspace(0, 1, steps, dtype=np.float32),
    [],
    jax.jit(metric),
  )
  for share in t:
    found = repair(averaging.lerp(a, b, share), (1 - share, share))
    rows.append(jax.device_get(measure(found.params, data)))
  return probes.Path(t, jax.tree.map(lambda *xs: np.stack(xs), *rows))


def measured(path: probes.Path) -> dict[str, Any]:
  """Returns a path as numbers for a result.

  Args:
    path: Of metrics by name, such as those of `tasks.temperature.scores`.

  Returns:
    `t`; the `values` of every metric there; and by kind and metric, the
    `barriers`, of losses, and of accuracies, of which more is better.
  """
  judged = {
    name: x
    for name, x in path.values.items()
    if name.endswith(('loss', 'accuracy'))
  }
  heights = {
    kind: probes.barrier(
      path._replace(values=judged), kind, higher_is_better=r'.*accuracy'
    )
    for kind in KINDS
  }
  values, heights = jax.device_get((dict(path.values), heights))
  return {
    't': np.asarray(path.t).tolist(),
    'values': {name: x.tolist() for name, x in values.items()},
    'barriers': {
      kind: {name: float(x) for name, x in of.items()}
      for kind, of in heights.items()
    },
  }


def finite(measured: dict[str, Any]) -> bool:
  """Whether all values of a path are finite."""
  return all(np.isfinite(x).all() for x in measured['values'].values())
