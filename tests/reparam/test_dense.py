import numpy as np
import oracles

from paramspace import reparam


def test_columns_have_unit_norm_and_gaussian_entries():
  p = oracles.matrix(reparam.dense(40), oracles.shaped(a=[50, 40]), 40)
  np.testing.assert_allclose((p**2).sum(0), 1, atol=1e-6)
  entries = p.ravel() * np.sqrt(2000)  # 80,000 of unit variance.
  assert abs(entries.mean()) < 4 / np.sqrt(80_000)
  assert abs((entries**4).mean() - 3) < 0.15


def test_the_norm_of_a_column_is_that_over_all_leaves():
  p = oracles.matrix(reparam.dense(5), oracles.shaped(a=[17, 3], c=[]), 5)
  np.testing.assert_allclose((p**2).sum(0), 1, atol=1e-6)


def test_a_basis_holds_a_float_a_column_and_weight():
  _, frozen = oracles.draw(reparam.dense(5), oracles.shaped(a=[17, 3]), 5)
  assert frozen.basis['a'].size == 5 * 17 * 3
