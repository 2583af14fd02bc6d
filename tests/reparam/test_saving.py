import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import reparam

KEY = jax.random.key(3)
PARAMS = {'w': jnp.ones((8, 6)), 'b': jnp.zeros(6), 'step': jnp.array(2)}
Z = jnp.array([1.0, 2.0, 3.0])


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'z.npz'
  reparam.save(path, reparam.hashed(dim=3), KEY, PARAMS, Z)
  return path


def rewrite(path, **changes):
  with np.load(path) as file:
    saved = dict(file)
  np.savez(path, **saved | changes)


def test_the_file_holds_the_coordinates_and_a_key_not_the_basis(path):
  with np.load(path) as file:
    assert set(file) == {'key', 'impl', 'fingerprint', 'z/'}
  assert [p.name for p in path.parent.iterdir()] == ['z.npz']


@pytest.mark.parametrize(
  ('rp', 'message'),
  [
    (reparam.hashed(dim=4), r'z: leaf .* should be float32\[4\]'),
    (reparam.full(), 'z: the trees have different leaves'),
    (reparam.hadamard(dim=3), 'not the one that was saved'),
    (reparam.hashed(dim=3, scale='rms'), 'not the one that was saved'),
  ],
)
def test_another_method_is_refused(path, rp, message):
  with pytest.raises(ValueError, match=message):
    reparam.load(path, rp, PARAMS)


@pytest.mark.parametrize(
  'params',
  [
    PARAMS | {'w': jnp.ones((8, 7))},
    {'v': PARAMS['w'], 'b': PARAMS['b']},
    PARAMS | {'more': jnp.ones(2)},
  ],
)
def test_other_parameters_are_refused(path, params):
  with pytest.raises(ValueError, match='not the one that was saved'):
    reparam.load(path, reparam.hashed(dim=3), params)


def test_the_values_of_the_parameters_do_not_matter(path):
  params = PARAMS | {'w': 5 * PARAMS['w']}
  z, _ = reparam.load(path, reparam.hashed(dim=3), params)
  np.testing.assert_array_equal(z, Z)


def test_the_kind_of_random_numbers_is_saved(tmp_path):
  rp, key = reparam.hashed(dim=3), jax.random.key(3, impl='rbg')
  reparam.save(tmp_path / 'z.npz', rp, key, PARAMS, Z)
  _, frozen = reparam.load(tmp_path / 'z.npz', rp, PARAMS)
  _, drawn = jax.jit(rp.init)(key, PARAMS)
  for name, signs in drawn.signs.items():
    np.testing.assert_array_equal(frozen.signs[name], signs)


def test_another_kind_of_random_numbers_is_refused(tmp_path, path):
  with pytest.raises(ValueError, match='does not hold saved coordinates'):
    rewrite(path, impl='rbg')  # Its keys are of another size.
    reparam.load(path, reparam.hashed(dim=3), PARAMS)
  rp, path = reparam.hashed(dim=3), tmp_path / 'rbg.npz'
  reparam.save(path, rp, jax.random.key(3, impl='rbg'), PARAMS, Z)
  rewrite(path, impl='unsafe_rbg')
  with pytest.raises(ValueError, match='not the one that was saved'):
    reparam.load(path, rp, PARAMS)


def test_other_random_numbers_of_jax_are_refused(path):
  with jax.threefry_partitionable(not jax.config.jax_threefry_partitionable):
    with pytest.raises(ValueError, match='not the one that was saved'):
      reparam.load(path, reparam.hashed(dim=3), PARAMS)


@pytest.mark.parametrize('bytes_kept', [0, 10, 300])
def test_a_truncated_file_is_refused(path, bytes_kept):
  path.write_bytes(path.read_bytes()[:bytes_kept])
  with pytest.raises(ValueError, match='does not hold saved coordinates'):
    reparam.load(path, reparam.hashed(dim=3), PARAMS)


def test_a_corrupt_file_is_refused(path):
  data = bytearray(path.read_bytes())
  at = data.index(Z.tobytes())
  data[at] ^= 1
  path.write_bytes(data)
  with pytest.raises(ValueError, match='does not hold saved coordinates'):
    reparam.load(path, reparam.hashed(dim=3), PARAMS)


def test_a_file_without_its_fingerprint_is_refused(path):
  with np.load(path) as file:
    saved = dict(file)
  del saved['fingerprint']
  np.savez(path, **saved)
  with pytest.raises(ValueError, match='does not hold saved coordinates'):
    reparam.load(path, reparam.hashed(dim=3), PARAMS)


def test_a_file_that_is_not_there():
  with pytest.raises(FileNotFoundError):
    reparam.load('nowhere.npz', reparam.hashed(dim=3), PARAMS)


def test_only_the_coordinates_of_the_method_are_saved(tmp_path):
  with pytest.raises(ValueError, match=r'save: z.*should be float32\[3\]'):
    path = tmp_path / 'z.npz'
    reparam.save(path, reparam.hashed(dim=3), KEY, PARAMS, jnp.zeros(2))
  assert not list(tmp_path.iterdir())


def test_bfloat16_coordinates_and_empty_leaves_round_trip(tmp_path):
  params = {'w': jnp.ones((3, 5), jnp.bfloat16), 'none': jnp.zeros((0, 2))}
  rp, path = reparam.full(), tmp_path / 'z.npz'
  z, _ = rp.init(KEY, params)
  z['w'] = z['w'] * 1.5
  reparam.save(path, rp, KEY, params, z)
  loaded, _ = reparam.load(path, rp, params)
  assert loaded['w'].dtype == jnp.bfloat16
  np.testing.assert_array_equal(loaded['w'], z['w'])
