"""Resampling runs with replacement."""

from collections.abc import Sequence

import numpy as np


def means(
  groups: Sequence[np.ndarray], rng: np.random.Generator, samples: int = 1_000
) -> np.ndarray:
  """Resamples each group and takes its mean.

  Args:
    groups: Arrays `[n_i]` of any positive lengths, one for each setting.
    rng: Where the choices come from.
    samples: How often everything is resampled.

  Returns:
    Means, float64 `[samples, len(groups)]`.
  """
  draw = lambda x: rng.choice(x, size=(samples, len(x))).mean(axis=1)
  return np.stack([draw(np.asarray(x, np.float64)) for x in groups], axis=1)


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
  """Returns the central interval that holds `level` of the values.

  Both ends are values that occur, so that infinite values are allowed.

  Args:
    values: `[samples]`.
    level: The probability inside.

  Returns:
    The lower and the upper end.
  """
  tail = (1 - level) / 2
  low, high = np.quantile(values, [tail, 1 - tail], method='inverted_cdf')
  return float(low), float(high)


def estimate(
  values: Sequence[float], samples: int = 1_000
) -> tuple[float, float, float]:
  """Returns the mean of some runs, with its 95% interval.

  Args:
    values: `[n]`, one of each run.
    samples: How often they are resampled.

  Returns:
    (mean, low, high); NaN where there is no run.

  >>> estimate([1.0, 1.0])
  (1.0, 1.0, 1.0)
  """
  values = np.asarray(values, np.float64)
  if not len(values):
    return (float('nan'),) * 3
  drawn = means([values], np.random.default_rng(0), samples)[:, 0]
  return (float(values.mean()), *interval(drawn))
