import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from paramspace import reparam

METHODS = ['dense', 'fastfood', 'hadamard', 'hashed', 'sparse']
every_method = pytest.mark.parametrize('name', METHODS)


@every_method
def test_rms_is_isometric_times_the_root_of_the_ratio(name):
  method, params = getattr(reparam, name), oracles.shaped(a=[9, 4], b=[6])
  one, other = method(6), method(6, scale='rms')

  @jax.jit
  def both(key, z):
    _, frozen = one.init(key, params)
    return [oracles.flat(x.apply(params, z, frozen)) for x in (one, other)]

  isometric, rms = both(jax.random.key(0), jnp.arange(6.0))
  np.testing.assert_allclose(rms, isometric * np.sqrt(7), rtol=1e-5, atol=1e-5)


@every_method
def test_an_unknown_scale_is_refused(name):
  with pytest.raises(ValueError, match=r"one of .*'rms'.*, got 'unit'"):
    getattr(reparam, name)(6, scale='unit')
