"""Trees as safetensors files."""

import chex
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import trees
from paramspace.files import safetensors

TREE = {
  'Dense_0': {'kernel': jnp.arange(6.0).reshape(2, 3), 'bias': jnp.ones(3)},
  'narrow': jnp.array([1.5, -2.0], jnp.bfloat16),
  'scale': jnp.array(0.5),
  'step': jnp.array([3, 4]),
  'empty': jnp.zeros((0, 4)),
}


def test_a_tree_comes_back(tmp_path):
  path = tmp_path / 'tree.safetensors'
  safetensors.save(path, TREE)
  found = safetensors.load(path)
  chex.assert_trees_all_equal(found, TREE)
  for name, x in trees.named(found).items():
    expected = trees.named(TREE)[name]
    assert (x.shape, x.dtype) == (expected.shape, expected.dtype), name


def test_a_transposed_array_keeps_its_values(tmp_path):
  path = tmp_path / 'tree.safetensors'
  x = np.arange(6.0).reshape(2, 3).T
  safetensors.save(path, {'x': x})
  np.testing.assert_array_equal(safetensors.load(path)['x'], x)


@pytest.mark.parametrize('keep', [4, 40, -1])
def test_a_file_that_is_cut_off_is_named(tmp_path, keep):
  path = tmp_path / 'tree.safetensors'
  safetensors.save(path, TREE)
  path.write_bytes(path.read_bytes()[:keep])
  with pytest.raises(ValueError, match=r'tree.safetensors cannot be read'):
    safetensors.load(path)


def test_a_failed_write_leaves_what_was_there(tmp_path):
  path = tmp_path / 'tree.safetensors'
  safetensors.save(path, TREE)
  before = path.read_bytes()
  with pytest.raises(TypeError, match=r'Unknown dtype "str32"'):
    safetensors.save(path, {'x': np.array(['a'])})
  assert path.read_bytes() == before
  assert list(tmp_path.iterdir()) == [path]


def test_names_that_collide_are_refused():
  with pytest.raises(ValueError, match='lies within another leaf'):
    trees.nested({'a': 1.0, 'a/b': 2.0})
  with pytest.raises(ValueError, match='of a leaf and of a folder'):
    trees.nested({'a/b': 2.0, 'a': 1.0})
