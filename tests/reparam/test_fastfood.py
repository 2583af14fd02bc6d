import math

import numpy as np
import oracles
import pytest
import scipy.linalg

from paramspace import reparam


@pytest.mark.parametrize(
  ('shapes', 'dim'),
  [
    ({'a': (6, 7), 'b': (8,)}, 6),  # D = 50, L = 64.
    ({'a': (6, 7), 'b': (8,)}, 50),  # More coordinates than any leaf has.
    ({'a': (8, 8)}, 5),  # D = L.
    ({'a': ()}, 1),
  ],
)
def test_the_map_is_that_of_the_formula(shapes, dim):
  """P z = [H G Pi H B pad(z)]_{1..D} / (sqrt(L sum G^2) sqrt(D / L))."""
  params = oracles.shaped(**shapes)
  rp = reparam.fastfood(dim)
  got, frozen = oracles.draw(rp, params, dim)
  total = sum(math.prod(s) for s in shapes.values())
  length = 2 ** math.ceil(math.log2(total))
  h = scipy.linalg.hadamard(length).astype(np.float64)
  b = np.eye(length, dim) * np.asarray(frozen.signs[:dim])
  g = np.diag(np.asarray(frozen.gains, np.float64))
  pi = np.eye(length)[np.asarray(frozen.index)]
  norm = np.sqrt(length * (g**2).sum() * total / length)
  p = (h @ g @ pi @ h @ b)[:total] / norm
  np.testing.assert_allclose(got, p, atol=1e-6)
  np.testing.assert_array_equal(
    np.asarray(frozen.index)[np.asarray(frozen.inverse)], np.arange(length)
  )


def test_columns_are_unit_exactly_if_the_size_is_a_power_of_two():
  p = oracles.matrix(reparam.fastfood(20), oracles.shaped(a=[16, 8]), 20)
  np.testing.assert_allclose((p**2).sum(0), 1, atol=1e-5)


def test_columns_are_unit_on_average_otherwise():
  p = oracles.matrix(reparam.fastfood(100), oracles.shaped(a=[50, 27]), 100)
  squares = (p**2).sum(0)
  assert abs(squares.mean() - 1) < 0.05
  assert np.abs(squares - 1).max() < 4 * np.sqrt(2 / (50 * 27))
