import numpy as np
import pytest

from paramspace.files import manifest
from paramspace.files import packing

LARGE = packing.SMALL // 4


def test_small_leaves_are_one_array_and_come_back():
  numbers = {
    'b': np.arange(3, dtype=np.int8),
    'a': np.array(2.5, np.float32),
    'empty': np.zeros((0, 2), np.int32),
    'large': np.arange(LARGE, dtype=np.float32),
    '../large': np.ones((2, LARGE), np.float32).T,
  }
  leaves = manifest.describe(numbers)
  arrays, small = packing.pack(numbers, leaves)
  assert small == ['a', 'b', 'empty']
  assert {k: x.nbytes for k, x in arrays.items()} == {
    packing.BLOCK: 1 + 4 + 3,
    'leaf0': 2 * packing.SMALL,
    'leaf1': packing.SMALL,
  }
  assert packing.slots(leaves, small) == {'leaf0': '../large', 'leaf1': 'large'}
  manifest.check(leaves, packing.unpack(arrays, leaves, small))


def test_of_nothing_there_is_a_block_still():
  arrays, small = packing.pack({}, {})
  assert arrays[packing.BLOCK].nbytes and not small
  assert packing.unpack(arrays, {}, small) == {}


def test_a_block_that_is_cut_short_is_an_error():
  numbers = {'a': np.arange(3.0), 'b': np.arange(2.0)}
  leaves = manifest.describe(numbers)
  arrays, small = packing.pack(numbers, leaves)
  with pytest.raises(ValueError):
    packing.unpack({packing.BLOCK: arrays[packing.BLOCK][:-8]}, leaves, small)
