"""Accuracy against dimension, and the intrinsic dimension read off it."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from experiments.figures import bootstrap
from experiments.figures import crossing
from experiments.figures import points
from experiments.figures import series

FRACTION = 0.9
ABSOLUTE = 'absolute'
BASELINE = 'baseline'


class Curve(NamedTuple):
  """The runs of one task and method.

  Attributes:
    task: As in `points.Point`.
    method: As in `points.Point`.
    size: The number of parameters D.
    dims: The dimensions at which a run did not diverge, ascending, `[m]`.
    accuracies: The accuracies of those runs, m arrays `[n_i]`.
    direct: Accuracies of the same network trained directly, `[n]`, maybe none.
  """

  task: str
  method: str
  size: int
  dims: np.ndarray
  accuracies: list[np.ndarray]
  direct: np.ndarray

  @property
  def means(self) -> np.ndarray:
    """The mean accuracy at each dimension, `[m]`."""
    return np.array([runs.mean() for runs in self.accuracies])


class Estimate(NamedTuple):
  """A measured number with its 95% bootstrap interval over runs."""

  value: float
  low: float
  high: float


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns one row for each task, method and dimension.

  Args:
    results: As in `points.read`.

  Returns:
    Rows with the task, the method, D, the dimension (0 where trained
    directly), how many runs it holds and how many diverged, statistics of the
    test accuracies of those that did not, and these accuracies in one string.
  """
  runs = {}
  for point in points.read(results):
    key = (point.task, point.method, point.size, point.dim)
    runs.setdefault(key, []).append(point.accuracy)
  order = list(dict.fromkeys(key[:2] for key in runs))  # As they first appear.
  ranked = sorted(runs, key=lambda key: (order.index(key[:2]), key[3]))
  return [_row(*key, np.array(runs[key])) for key in ranked]


def _row(
  task: str, method: str, size: int, dim: int, accuracy: np.ndarray
) -> dict[str, Any]:
  kept = accuracy[np.isfinite(accuracy)]
  statistic = lambda f: float(f(kept)) if len(kept) else None
  return {
    'task': task,
    'method': method,
    'D': size,
    'dim': dim,
    'n': len(kept),
    'diverged': len(accuracy) - len(kept),
    'mean': statistic(np.mean),
    'std': statistic(np.std),
    'min': statistic(np.min),
    'max': statistic(np.max),
    'accuracies': ' '.join(f'{a:.7g}' for a in kept),
  }


def from_rows(rows: Sequence[Mapping[str, Any]]) -> list[Curve]:
  """Reads the curves back from the rows of `table`, in order of appearance."""
  parse = lambda row: series.split(row['accuracies'])
  direct = {r['task']: parse(r) for r in rows if r['method'] == points.DIRECT}
  groups = {}
  for row in rows:
    if row['method'] != points.DIRECT and row['n']:
      key = (row['task'], row['method'], row['D'])
      groups.setdefault(key, {})[row['dim']] = parse(row)
  return [
    Curve(
      *key,
      dims=np.array(list(runs)),
      accuracies=list(runs.values()),
      direct=direct.get(key[0], np.array([])),
    )
    for key, runs in groups.items()
  ]


def thresholds(curve: Curve) -> dict[str, float]:
  """Returns what must be reached, by the name of the criterion.

  Args:
    curve: Whose direct runs are the baseline.

  Returns:
    `'absolute'`: 0.9 of a perfect score. `'baseline'`, where there are direct
    runs: 0.9 of their mean accuracy.
  """
  found = {ABSOLUTE: FRACTION}
  if len(curve.direct):
    found[BASELINE] = FRACTION * float(curve.direct.mean())
  return found


def intrinsic_dimensions(curve: Curve) -> dict[str, Estimate]:
  """Returns d_int90 by each criterion of `thresholds`.

  Args:
    curve: The runs; those of the baseline are resampled too.

  Returns:
    Estimates; infinite where the threshold is not reached, and at most
    `curve.dims[0]` where the curve starts above it.

  References:
    Li et al, 2018, https://arxiv.org/abs/1804.08838, Section 2.
  """
  estimates = {}
  for name, threshold in thresholds(curve).items():
    value = float(crossing.crossing(curve.dims, curve.means, threshold))
    if name == BASELINE:
      rng = np.random.default_rng(1)
      threshold = FRACTION * bootstrap.means([curve.direct], rng)[:, 0]
    ends = crossing.bootstrap(curve.dims, curve.accuracies, threshold)
    estimates[name] = Estimate(value, *ends)
  return estimates
