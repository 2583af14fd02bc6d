import math

import numpy as np
import oracles
import pytest

from paramspace import reparam

SHAPES = {'a': (17, 3), 'b': (5,), 'c': (), 'd': (40, 10)}


def test_every_column_has_the_square_root_of_a_leaf_in_nonzeros():
  p = oracles.matrix(reparam.sparse(30), oracles.shaped(**SHAPES), 30)
  sizes = [math.prod(s) for s in SHAPES.values()]
  ends = np.cumsum(sizes)[:-1]
  total = 0
  for leaf, size in zip(np.split(p, ends), sizes, strict=True):
    m = round(math.sqrt(size))
    assert (np.count_nonzero(leaf, axis=0) == m).all()  # No collisions.
    total += m
  nonzero = np.abs(p[p != 0])
  np.testing.assert_allclose(nonzero, 1 / math.sqrt(total), rtol=1e-6)
  np.testing.assert_allclose((p**2).sum(0), 1, atol=1e-6)


def test_places_and_signs_are_uniform():
  p = oracles.matrix(reparam.sparse(400), oracles.shaped(a=[20, 20]), 400)
  uses = np.count_nonzero(p, axis=1)  # Binomial, of mean 400 / 20.
  assert uses.mean() == 20
  assert uses.min() > 0 and uses.max() < 20 + 5 * np.sqrt(20)
  assert abs(np.sign(p).sum()) < 4 * np.sqrt(8000)


@pytest.mark.parametrize('size', [1, 3, 7])
def test_the_smallest_leaves(size):
  p = oracles.matrix(reparam.sparse(1), oracles.shaped(a=[size]), 1)
  assert np.count_nonzero(p) == max(1, round(math.sqrt(size)))
