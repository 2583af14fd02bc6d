"""Whether two models' singular directions agree."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees


class LeafAlignment(NamedTuple):
  """The singular values and directions of one leaf of two models.

  Attributes:
    values_a: `[k_a]`, all singular values, from the largest.
    values_b: `[k_b]`.
    left: `[m_a, m_b]`, u_i^a . u_j^b, of those m whose values are large enough.
    right: `[m_a, m_b]`, v_i^a . v_j^b.
  """

  values_a: np.ndarray
  values_b: np.ndarray
  left: np.ndarray
  right: np.ndarray


class Alignment(NamedTuple):
  """How far the singular directions of two models agree.

  Attributes:
    r: The measure R, of all leaves.
    leaves: By name.
  """

  r: float
  leaves: dict[str, LeafAlignment]


def alignment(
  a: base.Params,
  b: base.Params,
  *,
  gamma: float = 0.0,
  pattern: trees.Pattern = lambda name, x: jnp.ndim(x) >= 2,
) -> Alignment:
  r"""Compares singular values and directions, leaf by leaf.

  With A = sum_i s_i u_i v_i^T of each leaf,

      R = sum_{l,i,j} (u_i^a . u_j^b) (v_i^a . v_j^b) / sum_l n_l

  over the i and j whose singular values are at least gamma times the leaf's
  largest. It is 1 for a model with itself, 0 where directions have nothing in
  common, and does not depend on the signs of singular vectors: the sum of a
  leaf is the inner product of the two polar factors.

  A permutation of rows or columns turns the directions and leaves every
  singular value as it is. So matching can raise R, which is what it does, and
  cannot change the values.

  Args:
    a: A model.
    b: Another, moved by `act` where they were matched.
    gamma: In [0, 1].
    pattern: Which leaves; those with two or more axes if it is not given. A
      leaf is the matrix `[inputs, outputs]` of its last axis and all others.

  Returns:
    R and what it is made of, in float64.

  Raises:
    ValueError: If `gamma` is out of its range, the trees differ, or the pattern
      matches no leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching
    >>> a = {'w': jnp.array([[3.0, 0.0], [0.0, 1.0]])}
    >>> b = {'w': jnp.array([[0.0, 1.0], [3.0, 0.0]])}  # Its rows permuted.
    >>> found = matching.alignment(a, b)
    >>> found.r, found.leaves['w'].values_b.tolist()
    (0.0, [3.0, 1.0])
    >>> matching.alignment(a, a, gamma=0.5).r
    1.0

  Note: Where a and b have different numbers of large values, n is the geometric
    mean of the two, so that |R| <= 1; for equal numbers it is the paper's.
    Values that are 0 but for rounding are left out: their directions are
    arbitrary.

  References:
    Ito et al, 2024, Analysis of Linear Mode Connectivity via Permutation-Based
    Weight Matching, https://arxiv.org/abs/2402.04051, Section 4.
  """
  if not 0 <= gamma <= 1:
    raise ValueError(f'`gamma` must lie in [0, 1], got {gamma}.')
  trees.check_shapes(a, b, 'the models')
  leaves_a, leaves_b = trees.floating(a), trees.floating(b)
  names = trees.match(leaves_a, pattern)
  leaves, total, count = {}, 0.0, 0.0
  for name in names:
    leaf = _leaf(leaves_a[name], leaves_b[name], gamma)
    leaves[name] = leaf
    total += float((leaf.left * leaf.right).sum())
    count += float(np.sqrt(np.prod(leaf.left.shape)))
  return Alignment(total / max(count, 1.0), leaves)


def _leaf(a, b, gamma):
  matrices = [
    np.asarray(x, np.float64).reshape(-1, x.shape[-1]) for x in (a, b)
  ]
  (u_a, s_a, v_a), (u_b, s_b, v_b) = (
    np.linalg.svd(x, full_matrices=False) for x in matrices
  )
  m_a, m_b = _large(s_a, gamma), _large(s_b, gamma)
  left = u_a[:, :m_a].T @ u_b[:, :m_b]
  return LeafAlignment(s_a, s_b, left, v_a[:m_a] @ v_b[:m_b].T)


def _large(s, gamma):
  """Returns how many of the values, from the largest, are large enough."""
  largest = s.max(initial=0.0)
  noise = largest * len(s) * np.finfo(np.float32).eps
  return int(((s > noise) & (s >= gamma * largest)).sum())
