"""Rank correlation, of numbers that belong to pairs too."""

from collections.abc import Sequence

import numpy as np


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
  """Returns Spearman's rank correlation; NaN where all values are equal.

  >>> spearman([1.0, 2.0, 3.0], [0.3, 0.2, 0.0])
  -1.0
  """
  ranks = _centred(a), _centred(b)
  lengths = [float(x @ x) for x in ranks]
  if not all(lengths):
    return float('nan')
  return float(ranks[0] @ ranks[1] / (lengths[0] * lengths[1]) ** 0.5)


def mantel(
  pairs: Sequence[Sequence[str]],
  a: Sequence[float],
  b: Sequence[float],
  samples: int = 10_000,
) -> float:
  """Returns the p-value of a rank correlation over pairs of things.

  Pairs that share a thing are not independent. So the things of `a` are
  permuted, and not the pairs: how often is the correlation as far from 0?

  Args:
    pairs: All pairs of some things, by name.
    a: A number for each pair.
    b: Another.
    samples: How many permutations.

  Returns:
    At least 1 / (samples + 1); NaN where all values are equal.

  References:
    Mantel, 1967, The detection of disease clustering and a generalized
    regression approach, Cancer Research 27.
  """
  ranks_a, ranks_b = _centred(a), _centred(b)
  if not (ranks_a.any() and ranks_b.any()):
    return float('nan')
  names = sorted({name for pair in pairs for name in pair})
  ends = np.array([[names.index(name) for name in pair] for pair in pairs])
  table = np.zeros((len(names), len(names)))
  table[ends[:, 0], ends[:, 1]] = table[ends[:, 1], ends[:, 0]] = ranks_a
  generator = np.random.default_rng(0)
  moved = np.stack([generator.permutation(len(names)) for _ in range(samples)])
  drawn = table[moved[:, ends[:, 0]], moved[:, ends[:, 1]]] @ ranks_b
  found = abs(ranks_a @ ranks_b)
  extreme = np.count_nonzero(abs(drawn) >= found * (1 - 1e-9))
  return (extreme + 1) / (samples + 1)


def _centred(values: Sequence[float]) -> np.ndarray:
  """Returns ranks less their mean, float64 `[n]`."""
  from scipy import stats  # Takes a second, that other figures need not pay.

  ranks = stats.rankdata(values)
  return ranks - ranks.mean()
