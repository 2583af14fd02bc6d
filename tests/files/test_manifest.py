import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.files import bits
from paramspace.files import manifest


def tree(**changes):
  return {
    'w': jnp.arange(6, dtype=jnp.float32).reshape(2, 3),
    'half': jnp.ones(3, jnp.bfloat16),
    'key': jax.random.key(3),
    'empty': jnp.zeros((0, 2)),
    'n': 7,
    **changes,
  }


def numbers(x):
  """The leaves as numbers on the host, by name."""
  return {n: np.asarray(bits.data(v)) for n, v in bits.named(x).items()}


def test_a_digest_is_that_of_the_row_major_little_endian_bytes():
  content = np.arange(6, dtype='<f4').tobytes()
  for w in (tree()['w'], np.arange(6, dtype='>f4').reshape(3, 2).T.T):
    found = manifest.describe({'w': w})['w']
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.nbytes == 24
  turned = np.asfortranarray(tree()['w'])
  assert manifest.describe({'w': turned}) == manifest.describe(
    {'w': tree()['w']}
  )


def test_a_digest_is_independent_of_where_the_leaf_lives():
  mesh = jax.make_mesh((8,), ('x',), (jax.sharding.AxisType.Auto,))
  x = jnp.arange(16.0)
  split = jax.device_put(x, jax.NamedSharding(mesh, jax.P('x')))
  assert manifest.digest({'x': split}) == manifest.digest({'x': x})


@pytest.mark.parametrize(
  'changes',
  [
    {'w': -jnp.arange(6, dtype=jnp.float32).reshape(2, 3)},
    {'w': jnp.arange(6, dtype=jnp.float32).reshape(3, 2)},
    {'w': jnp.arange(6, dtype=jnp.int32).reshape(2, 3)},
    {'half': jnp.ones(3, jnp.float16)},
    {'key': jax.random.key(4)},
    {'key': jax.random.key(3, impl='rbg')},
    {'empty': jnp.zeros((2, 0))},
    {'n': 8},
    {'more': 1},
  ],
)
def test_any_change_changes_the_digest(changes):
  assert manifest.digest(tree(**changes)) != manifest.digest(tree())


def test_minus_zero_and_nan_are_bits_like_others():
  zero, minus = {'x': jnp.zeros(1)}, {'x': -jnp.zeros(1)}
  nan = {'x': jnp.full(1, jnp.nan)}
  assert manifest.digest(zero) != manifest.digest(minus)
  manifest.check(manifest.describe(nan), numbers(nan))


def test_what_was_written_is_read_back():
  leaves = manifest.describe(tree())
  text = manifest.dumps(leaves, step=3, small=['w'])
  assert manifest.loads(text) == (leaves, {'step': 3, 'small': ['w']})
  manifest.check(leaves, numbers(tree()))
  manifest.check_like(
    leaves, jax.eval_shape(lambda: tree(n=jnp.int32(7))) | {'n': 7}
  )


def test_every_changed_byte_and_every_cut_of_a_manifest_is_seen():
  text = manifest.dumps(manifest.describe({'x': jnp.ones(2)}), step=3).encode()
  for i in range(len(text)):
    harmed = bytearray(text)
    harmed[i] ^= 1
    with pytest.raises(manifest.Damaged):
      manifest.loads(bytes(harmed))
    with pytest.raises(manifest.Damaged):
      manifest.loads(text[:i])


def test_a_manifest_of_another_version_is_not_read(monkeypatch):
  monkeypatch.setattr(manifest, 'VERSION', 99)
  text = manifest.dumps({})
  monkeypatch.undo()
  with pytest.raises(manifest.Damaged, match='version 99'):
    manifest.loads(text)


@pytest.mark.parametrize('text', ['', '[]', 'null', '{}', '{"leaves": 3}'])
def test_what_is_no_manifest_is_damage(text):
  with pytest.raises(manifest.Damaged):
    manifest.loads(text)


def test_a_flipped_bit_names_its_leaf():
  leaves, found = manifest.describe(tree()), numbers(tree())
  harmed = found['w'].copy()
  harmed.view(np.uint8)[0, 3] ^= 1
  with pytest.raises(manifest.Damaged, match="leaf 'w' is not what was"):
    manifest.check(leaves, found | {'w': harmed})
  with pytest.raises(manifest.Damaged, match="leaf 'half'"):
    manifest.check(leaves, {n: x for n, x in found.items() if n != 'half'})


def test_another_target_names_the_first_leaf_that_differs():
  leaves = manifest.describe(tree())
  with pytest.raises(manifest.Mismatch, match=r"'half' was bfloat16\[3\] and"):
    manifest.check_like(leaves, tree(half=jnp.ones(3)))
  with pytest.raises(manifest.Mismatch, match="'more' was absent"):
    manifest.check_like(leaves, tree(more=1))


def test_a_manifest_is_json_that_a_person_can_read():
  record = json.loads(manifest.dumps(manifest.describe(tree())))
  assert record['leaves']['key']['dtype'].startswith('key<')
  assert record['leaves']['w']['shape'] == [2, 3]
