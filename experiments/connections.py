"""What studies of paths between models say about a path."""

from typing import Any

import jax
import numpy as np

from paramspace import probes

KINDS = ('chord', 'mean', 'ends', 'midpoint')


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
