import math

import numpy as np
import oracles
import pytest
import scipy.linalg

from paramspace import reparam
from paramspace.reparam import _tiles

EVEN = {'a': (64, 64), 'b': (32,)}  # Multiples of k = 32.
ODD = {'a': (31, 37), 'b': (45,), 'c': ()}  # Rows are cut.


@pytest.mark.parametrize(
  ('shapes', 'dim'),
  [(EVEN, 1), (EVEN, 100), ({'a': (31, 32)}, 512)],
)
def test_columns_are_orthonormal(shapes, dim):
  p = oracles.matrix(reparam.hadamard(dim), oracles.shaped(**shapes), dim)
  np.testing.assert_allclose(p.T @ p, np.eye(dim), atol=1e-5)


def test_all_coordinates_give_a_rotation():
  """With d = D = 2^m, P is a square orthogonal matrix."""
  p = oracles.matrix(reparam.hadamard(512), oracles.shaped(a=[16, 32]), 512)
  np.testing.assert_allclose(p.T @ p, np.eye(512), atol=1e-5)
  np.testing.assert_allclose(p @ p.T, np.eye(512), atol=1e-5)


def test_columns_are_of_unit_norm_where_not_all_rows_of_a_block_exist():
  """D = 96 < d' = 128: no longer orthogonal, but of unit norm."""
  p = oracles.matrix(reparam.hadamard(96), oracles.shaped(a=[3, 32]), 96)
  np.testing.assert_allclose((p**2).sum(0), 1, atol=1e-5)


def test_cut_rows_cost_no_more_than_their_share():
  """P holds D of the R rows of sqrt(R/D) Q with orthonormal columns."""
  dim = 40
  p = oracles.matrix(reparam.hadamard(dim), oracles.shaped(**ODD), dim)
  total = 31 * 37 + 45 + 1
  group = min(32, 1 << (dim - 1).bit_length())
  rows = sum(-(-math.prod(s) // group) * group for s in ODD.values())
  eigenvalues = np.linalg.eigvalsh(p.T @ p)
  assert eigenvalues.max() <= rows / total + 1e-5
  assert abs(eigenvalues.mean() - 1) < 2 * (rows / total - 1)
  lost = dim * rows / total - np.trace(p.T @ p)  # |the cut rows|^2
  assert eigenvalues.min() >= rows / total - lost - 1e-5


@pytest.mark.parametrize('dim', [3, 100])
def test_the_map_is_that_of_the_formula(dim):
  shapes = {'a': (64, 64), 'b': (45,), 'c': ()}
  params = oracles.shaped(**shapes)
  total = sum(math.prod(s) for s in shapes.values())
  rp = reparam.hadamard(dim)
  got, frozen = oracles.draw(rp, params, dim)

  wide = 1 << (dim - 1).bit_length()  # d'
  k = min(32, wide)
  u = scipy.linalg.hadamard(wide) * np.asarray(frozen.signs, np.float64)
  u = u[:, :dim] / np.sqrt(wide)  # H_d' S_0
  padded = {n: (-(-math.prod(s) // k), k) for n, s in shapes.items()}
  leaves = oracles.read(frozen.tiles, padded, wide)
  uses = np.bincount(
    np.concatenate([i for i, _ in leaves.values()]), minlength=wide
  )
  blocks = []
  for name, (index, signs) in leaves.items():
    rolled = signs[:, None] * u[index] / np.sqrt(uses[index])[:, None]
    mix = np.kron(np.eye(padded[name][0]), scipy.linalg.hadamard(k))
    mixed = mix @ rolled / np.sqrt(k)
    blocks.append(mixed[: math.prod(shapes[name])])
  rows = sum(n * k for n, _ in padded.values())
  p = np.concatenate(blocks) * np.sqrt(rows / total)
  np.testing.assert_allclose(got, p, atol=1e-5)


def test_rms_has_rows_of_unit_norm():
  rp = reparam.hadamard(20, scale='rms')
  total = 64 * 64 + 32
  p = oracles.matrix(rp, oracles.shaped(**EVEN), 20)
  np.testing.assert_allclose(
    p.T @ p, total / 20 * np.eye(20), atol=1e-5 * total / 20
  )
  assert abs((p**2).sum(1).mean() - 1) < 1e-5


def test_every_weight_depends_on_every_coordinate():
  """Not so for hashed; here a masked prefix trains all weights."""
  p = oracles.matrix(reparam.hadamard(8), oracles.shaped(**EVEN), 8)
  assert (np.abs(p).max(1) > 0).all()


def test_a_long_leaf_has_its_own_tape():
  assert _tiles._plan((64 * 64 // 32, 32), 32).blocks
