import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import reparam

PARAMS = {'w': jnp.ones((2, 3)), 'b': jnp.zeros(3), 'step': jnp.array(4)}


def test_the_coordinates_are_the_weights():
  rp = reparam.full()
  z, frozen = jax.jit(rp.init)(jax.random.key(0), PARAMS)
  assert set(z) == {'w', 'b'} and frozen == ()
  z = {'w': 2 * z['w'], 'b': z['b'] + 1}
  theta = jax.jit(rp.apply)(PARAMS, z, frozen)
  np.testing.assert_array_equal(theta['w'], 2 * PARAMS['w'])
  np.testing.assert_array_equal(theta['b'], 1.0)
  assert theta['step'] == 4


@pytest.mark.optimized
def test_the_coordinates_do_not_share_memory_with_the_parameters():
  """A step that donates z must not delete the parameters."""
  z, _ = reparam.full().init(jax.random.key(0), PARAMS)
  jax.jit(lambda z: jax.tree.map(jnp.sin, z), donate_argnums=0)(z)
  assert not PARAMS['w'].is_deleted() and PARAMS['w'].sum() == 6


def test_other_leaves_are_refused_by_name():
  rp = reparam.full()
  with pytest.raises(ValueError, match=r"leaf 'w' should be float32\[2, 3\]"):
    rp.apply(PARAMS, {'w': jnp.ones((3, 2)), 'b': jnp.zeros(3)}, ())
  with pytest.raises(ValueError, match=r"Missing: \['b'\]; unexpected: \['c'"):
    rp.apply(PARAMS, {'w': jnp.ones((2, 3)), 'c': jnp.zeros(3)}, ())
