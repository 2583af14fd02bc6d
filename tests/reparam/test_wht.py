import jax
import numpy as np
import pytest
import scipy.linalg

from paramspace.reparam import _wht


@pytest.mark.parametrize('n', [2**i for i in range(13)])
def test_against_sylvesters_matrix(n):
  x = jax.random.normal(jax.random.key(n), (2, 1, n))
  y = jax.jit(_wht.wht)(x)
  h = scipy.linalg.hadamard(n, dtype=np.int8).astype(np.float32)
  np.testing.assert_allclose(y, x @ h, atol=1e-5 * n)
  assert y.shape == x.shape


@pytest.mark.parametrize('n', [1, 64, 128, 4096])
def test_twice_is_n_times(n):
  x = jax.random.normal(jax.random.key(0), (n,))
  np.testing.assert_allclose(
    jax.jit(lambda x: _wht.wht(_wht.wht(x)) / n)(x), x, atol=1e-5
  )


def test_the_matrix_is_sylvesters():
  np.testing.assert_array_equal(
    _wht.hadamard_matrix(64), scipy.linalg.hadamard(64)
  )
