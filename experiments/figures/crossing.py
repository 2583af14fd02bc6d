"""Where a curve first reaches a threshold."""

from collections.abc import Sequence

import numpy as np

from experiments.figures import bootstrap as resampling


def crossing(
  dims: Sequence[int], accuracy: np.ndarray, threshold: float | np.ndarray
) -> np.ndarray:
  """Finds the first d at which a curve, linear in log d, reaches a threshold.

  Args:
    dims: Dimensions, positive and ascending, `[m]`.
    accuracy: Accuracies at those dimensions, `[..., m]`.
    threshold: What is to be reached, `[...]`.

  Returns:
    `[...]`, infinite where the threshold is not reached. Where the curve
    already starts above it, `dims[0]`: the crossing is there or earlier.

  Raises:
    ValueError: If the dimensions are not positive and ascending.

  Examples:
    >>> float(crossing([10, 1000], np.array([0.8, 1.0]), 0.9))
    100.0
    >>> float(crossing([10, 1000], np.array([0.8, 0.85]), 0.9))
    inf
    >>> float(crossing([10, 1000], np.array([0.95, 0.99]), 0.9))
    10.0
  """
  dims = np.asarray(dims, np.float64)
  if dims.size == 0 or dims[0] <= 0 or (np.diff(dims) <= 0).any():
    raise ValueError(
      f'`dims` must be positive and ascending, got {dims.tolist()}.'
    )
  accuracy = np.asarray(accuracy, np.float64)
  threshold = np.broadcast_to(threshold, accuracy.shape[:-1])
  reached = accuracy >= threshold[..., None]  # [..., m]
  after = reached.argmax(axis=-1)
  before = np.maximum(after - 1, 0)
  take = lambda i: np.take_along_axis(accuracy, i[..., None], axis=-1)[..., 0]
  rise = np.where(after > 0, take(after) - take(before), 1.0)
  part = np.where(after > 0, (threshold - take(before)) / rise, 0.0)
  found = dims[before] * (dims[after] / dims[before]) ** part
  return np.where(reached.any(axis=-1), found, np.inf)


def bootstrap(
  dims: Sequence[int],
  accuracies: Sequence[np.ndarray],
  threshold: float | np.ndarray,
  samples: int = 1_000,
  seed: int = 0,
) -> tuple[float, float]:
  """Returns a 95% interval of the mean curve's crossing, over runs.

  Args:
    dims: Dimensions, positive and ascending, `[m]`.
    accuracies: The runs at each dimension, m arrays `[n_i]`.
    threshold: What is to be reached; `[samples]` where it is uncertain too.
    samples: How often the runs at each dimension are resampled.
    seed: Determines the resampling.

  Returns:
    The lower and the upper end; equal where there is one run a dimension.
  """
  rng = np.random.default_rng(seed)
  curves = resampling.means(accuracies, rng, samples)  # [samples, m]
  return resampling.interval(crossing(dims, curves, threshold))
