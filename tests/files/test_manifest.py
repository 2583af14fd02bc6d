import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.files import bits
from paramspace.files import manifest

TREE = {
  'half': jnp.array([[1, 2, 3], [4, 5, 6]], jnp.bfloat16),
  'key': jax.random.key(1),
  'keys': jax.random.split(jax.random.key(1, impl='rbg'), (2, 3)),
  'no_keys': jax.random.split(jax.random.key(1), 0),
  'nothing': jnp.zeros((0, 3)),
  'yes': jnp.array([True, False]),
  'step': jnp.int32(7),
  'host': np.float64(0.1),
  'number': 3,
}


def numbers(tree):
  data = {name: bits.data(x) for name, x in bits.named(tree).items()}
  return {name: np.asarray(x) for name, x in data.items()}


def test_a_digest_is_that_of_row_major_little_endian_bytes():
  x = np.arange(6, dtype='>u4').reshape(2, 3).T  # Neither of the two.
  content = b''.join(
    int(v).to_bytes(4, 'little') for row in x.tolist() for v in row
  )
  leaf = manifest.describe({'x': x})['x']
  assert leaf.sha256 == hashlib.sha256(content).hexdigest()
  assert leaf.nbytes == 24
  assert manifest.describe({'x': jnp.asarray(x.tolist(), jnp.uint32)}) == {
    'x': leaf
  }


def test_shapes_and_dtypes_are_those_of_the_leaves():
  found = manifest.describe(TREE)
  assert {name: str(leaf) for name, leaf in found.items()} == {
    'half': 'bfloat16[2, 3]',
    'host': 'float64[]',
    'key': 'key<threefry2x32>[]',
    'keys': 'key<rbg>[2, 3]',
    'no_keys': 'key<threefry2x32>[0]',
    'nothing': 'float32[0, 3]',
    'number': 'int64[]',
    'step': 'int32[]',
    'yes': 'bool[2]',
  }
  assert found['keys'].data_shape == (2, 3, 4)
  assert found['key'].data_shape == (2,)
  for name, x in numbers(TREE).items():
    again = bits.from_bytes(bits.to_bytes(x), x.shape, x.dtype)
    assert again.dtype == x.dtype and (again == x).all(), name


def test_a_leaf_that_is_split_has_the_digest_of_the_whole():
  mesh = jax.make_mesh((8,), ('x',), (jax.sharding.AxisType.Auto,))
  split = jax.NamedSharding(mesh, jax.P(None, 'x'))
  x = jnp.arange(48.0).reshape(3, 16)
  assert manifest.describe({'x': jax.device_put(x, split)}) == (
    manifest.describe({'x': x})
  )


@pytest.mark.parametrize(
  'other',
  [
    {'half': TREE['half'].astype(jnp.float32)},
    {'half': TREE['half'].T},
    {'half': TREE['half'].at[1, 2].add(1)},
    {'key': jax.random.key(2)},
    {'key': jax.random.key_data(TREE['key'])},
    {'nothing': jnp.zeros((3, 0))},
    {'step': jnp.uint32(7)},
    {'more': jnp.zeros(())},
  ],
)
def test_the_digest_of_a_tree_sees_every_difference(other):
  assert manifest.digest(TREE | other) != manifest.digest(TREE)


def test_the_order_of_a_dict_makes_no_difference():
  turned = dict(reversed(TREE.items()))
  assert manifest.digest(turned) == manifest.digest(TREE)


def test_what_is_written_is_read():
  leaves = manifest.describe(TREE)
  text = manifest.dumps(leaves, step=3, small=['x'])
  assert manifest.loads(text) == (leaves, {'step': 3, 'small': ['x']})
  assert manifest.loads(text.encode()) == manifest.loads(text)


def test_every_flipped_bit_and_every_cut_is_found():
  text = manifest.dumps(manifest.describe({'x': jnp.ones(2)}), step=3).encode()
  for i in range(len(text)):
    with pytest.raises(manifest.Damaged, match='the manifest'):
      manifest.loads(text[:i])
    for bit in range(8):
      changed = bytearray(text)
      changed[i] ^= 1 << bit
      try:
        found = manifest.loads(bytes(changed))
      except manifest.Damaged:
        continue
      # A space became another one: nothing that is said has changed.
      assert found == manifest.loads(text)
      assert bytes([text[i]]).isspace()


@pytest.mark.parametrize('text', ['', '[]', '3', 'null', '{}', '{"sha256": 1}'])
def test_json_that_is_no_manifest_is_damage(text):
  with pytest.raises(manifest.Damaged, match='the manifest'):
    manifest.loads(text)


def test_another_version_is_not_read(monkeypatch):
  monkeypatch.setattr(manifest, 'VERSION', 2)
  text = manifest.dumps({}, step=3)
  monkeypatch.undo()
  assert json.loads(text)['version'] == 2
  with pytest.raises(manifest.Damaged, match='has version 2, not 1'):
    manifest.loads(text)


def test_checking_names_the_leaf_that_differs():
  leaves = manifest.describe(TREE)
  manifest.check(leaves, numbers(TREE))
  for name, x in numbers(TREE).items():
    found = numbers(TREE)
    found[name] = np.append(x, x.dtype.type(1))  # Other bytes.
    with pytest.raises(manifest.Damaged, match=f"leaf '{name}' is not what"):
      manifest.check(leaves, found)
    del found[name]
    with pytest.raises(manifest.Damaged, match=f"leaf '{name}' is not what"):
      manifest.check(leaves, found)
  found = numbers(TREE)
  found['half'] = found['half'].T.copy().reshape(2, 3)  # The same shape.
  with pytest.raises(manifest.Damaged, match="leaf 'half' is not what"):
    manifest.check(leaves, found)


def test_a_target_is_like_its_leaves_whatever_its_values():
  leaves = manifest.describe(TREE)
  manifest.check_like(
    leaves, jax.eval_shape(lambda: TREE) | {'host': 0.0, 'number': 4}
  )
  with pytest.raises(
    manifest.Mismatch,
    match=r"leaf 'half' was bfloat16\[2, 3\] and is now float32\[2, 3\]",
  ):
    manifest.check_like(leaves, TREE | {'half': jnp.zeros((2, 3))})
  with pytest.raises(manifest.Mismatch, match="leaf 'more' was absent"):
    manifest.check_like(leaves, TREE | {'more': jnp.zeros(())})
