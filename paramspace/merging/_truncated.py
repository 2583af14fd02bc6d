"""The nearest matrix of some rank, of one that is read a part at a time."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from paramspace.files import disk

PIECE = 1 << 22  # Values of a part.

Parts = Callable[[], Iterator[np.ndarray]]


class Factors(NamedTuple):
  """A matrix of some rank, L R^T.

  Attributes:
    left: L, `[rows, r]`.
    right: R, `[columns, r]`.
    kept: The sum of the r largest squared singular values.
    total: That of all, the squared norm of the matrix.
  """

  left: np.ndarray
  right: np.ndarray
  kept: float
  total: float


def delta(base: disk.Leaf, tuned: disk.Leaf, rank: int, what: str) -> Factors:
  """Returns the nearest matrix of rank r to tuned - base.

  Args:
    base: A leaf of two axes.
    tuned: One like it.
    rank: r, at most the shorter side.
    what: What they are, for the message.

  Raises:
    ValueError: If a value is not finite.
  """
  rows, columns = base.shape
  wide = rows < columns
  turn = np.transpose if wide else np.asarray

  def parts() -> Iterator[np.ndarray]:
    a, b = turn(base.view()), turn(tuned.view())
    step = max(1, PIECE // a.shape[1])
    for at in range(0, len(a), step):
      part = b[at : at + step].astype(np.float64)
      part -= a[at : at + step].astype(np.float64)
      if not np.isfinite(part).all():
        raise ValueError(f'{what} has values that are not finite; mend it.')
      yield part

  if not wide:
    return factors(parts, (rows, columns), rank)
  found = factors(parts, (columns, rows), rank)
  return found._replace(left=found.right, right=found.left)


def factors(parts: Parts, shape: tuple[int, int], rank: int) -> Factors:
  r"""Returns the r leading singular directions of D.

  The leading eigenvectors V_r of D^T D are D's right singular vectors, and
  D V_r V_r^T is the nearest matrix of rank r. All is in float64: D is not held,
  only D^T D and the factors are, and what is lost is of singular values below
  1e-8 of the largest, less than float32 tells. The columns of both factors have
  the same norms, sqrt(sigma_i).

  Args:
    parts: Yields the rows of D in order, some at a time, float64.
    shape: Of D, its longer side first.
    rank: r, at most the shorter side.

  Example:
    >>> d = np.diag([4.0, 1.0])
    >>> found = factors(lambda: iter([d]), (2, 2), 1)
    >>> abs(found.left @ found.right.T).round(9).tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    >>> round(found.kept, 9), round(found.total, 9)
    (16.0, 17.0)

  References:
    Eckart and Young, 1936, https://doi.org/10.1007/BF02288367.
  """
  import scipy.linalg  # A fifth of a second, which no merge should wait for.

  rows, columns = shape
  gram = np.zeros((columns, columns))
  for part in parts():
    gram += part.T @ part
  total = float(np.trace(gram))
  chosen = [columns - rank, columns - 1]
  _, right = scipy.linalg.eigh(
    gram, subset_by_index=chosen, overwrite_a=True, check_finite=False
  )
  right = np.ascontiguousarray(right[:, ::-1])  # The largest first.
  left, at = np.empty((rows, rank)), 0
  for part in parts():
    np.matmul(part, right, out=left[at : at + len(part)])
    at += len(part)
  squares = np.einsum('ir,ir->r', left, left)
  root = np.sqrt(np.sqrt(squares))
  left *= np.divide(1.0, root, out=np.zeros(rank), where=root > 0)
  right *= root
  return Factors(left, right, float(squares.sum()), total)
