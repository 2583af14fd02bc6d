"""How far our result is from mergekit's, and why.

Models in bfloat16 have few values, and deltas many that are equal in magnitude.
Where a trim keeps some of those and not all, the two tools keep different ones:
here those that come first in memory, there those that a sort happens to put
first. All others should be the same.
"""

import math
import pathlib
from collections.abc import Sequence

import numpy as np

from paramspace.files import disk
from paramspace.files import lazy


def compare(
  ours: pathlib.Path,
  theirs: pathlib.Path,
  base: pathlib.Path,
  models: Sequence[pathlib.Path],
  density: float | None,
) -> dict[str, float]:
  """Compares two results leaf by leaf.

  Args:
    ours: Ours.
    theirs: mergekit's, of the same page.
    base: What both were merged from.
    models: What both have merged.
    density: The fraction that each leaf's trim keeps; None without a trim.

  Returns:
    'difference', the largest relative to the largest change of the base, where
    no tie explains it; and 'tied', the share of entries that differ by more
    than a rounding where one does.
  """
  trees = [lazy.open(path) for path in (ours, theirs, base, *models)]
  apart = moved = 0.0
  tied = total = 0
  for name, leaf in trees[2].leaves.items():
    a, b, start, *tuned = (_wide(tree, name) for tree in trees)
    change, gap = np.abs(a - start), np.abs(a - b)
    ties = np.zeros(leaf.shape, bool)
    for x in tuned if density is not None else ():
      ties |= _at_threshold(np.abs(x - start), density)
    apart = max(apart, float(gap[~ties].max(initial=0)))
    moved = max(moved, float(change.max()))
    tied += int((gap[ties] > 1e-6 * change.max()).sum())
    total += leaf.size
  return {'difference': apart / moved, 'tied': tied / total}


def _at_threshold(magnitude: np.ndarray, density: float) -> np.ndarray:
  """Marks what is as large as the last that is kept, if not all such are."""
  count = max(1, math.floor(density * magnitude.size))
  last = np.partition(magnitude, magnitude.size - count, axis=None)[-count]
  equal = magnitude == last
  whole = (magnitude >= last).sum() == count
  return np.zeros_like(equal) if whole else equal


def _wide(tree: disk.Tree, name: str) -> np.ndarray:
  return tree.read(name).astype(np.float32)
