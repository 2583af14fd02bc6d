import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.files import bits
from paramspace.files import manifest
from paramspace.files import packing


@pytest.fixture
def tree():
  return {
    'big': jnp.arange(packing.SMALL // 4 + 1, dtype=jnp.float32),
    'b/a': jnp.arange(3, dtype=jnp.bfloat16),
    'b': {'c': jax.random.split(jax.random.key(0), 2)},
    'flag': jnp.array(True),
    'nothing': jnp.zeros((0, 3)),
  }


def test_what_is_packed_is_unpacked_to_the_bit(tree):
  numbers = {n: np.asarray(bits.data(x)) for n, x in bits.named(tree).items()}
  leaves = manifest.describe(tree)
  arrays, small = packing.pack(numbers, leaves)
  assert set(small) == numbers.keys() - {'big'}
  assert arrays.keys() == {*packing.slots(leaves, small), packing.BLOCK}
  found = packing.unpack(arrays, leaves, small)
  manifest.check(leaves, found)
  assert {n: (x.shape, x.dtype) for n, x in found.items()} == {
    n: (x.shape, x.dtype) for n, x in numbers.items()
  }


def test_a_tree_without_small_leaves_has_a_block_all_the_same():
  arrays, small = packing.pack({}, {})
  assert not small and arrays[packing.BLOCK].size == 1
  assert packing.unpack(arrays, {}, small) == {}


def test_a_block_of_another_length_is_an_error(tree):
  small = {'x': np.ones(3, np.float32)}
  leaves = manifest.describe(small)
  arrays, names = packing.pack(small, leaves)
  short = {packing.BLOCK: arrays[packing.BLOCK][:-1]}
  with pytest.raises(ValueError):
    packing.unpack(short, leaves, names)
