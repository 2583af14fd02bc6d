import gzip
import struct

import numpy as np
import pytest

from experiments.data import idx

ARRAY = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)


def encode(array, code=0x08):
  header = bytes([0, 0, code, array.ndim])
  return header + struct.pack(f'>{array.ndim}I', *array.shape) + array.tobytes()


@pytest.mark.parametrize('pack', [bytes, gzip.compress])
def test_reads_what_was_written_plain_or_compressed(tmp_path, pack):
  (tmp_path / 'x').write_bytes(pack(encode(ARRAY)))
  np.testing.assert_array_equal(idx.read(tmp_path / 'x'), ARRAY)


@pytest.mark.parametrize(('code', 'dtype'), idx.TYPES.items())
def test_reads_every_type_big_endian(tmp_path, code, dtype):
  array = np.array([1, 2, 100], dtype)
  (tmp_path / 'x').write_bytes(encode(array, code))
  found = idx.read(tmp_path / 'x')
  assert found.dtype == np.dtype(dtype)
  np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'', 'not an IDX file'),
    (b'\0\0\x08', 'not an IDX file'),
    (b'\x89PNG' + bytes(20), "not an IDX file: it starts with.*'89 50 4e 47'"),
    (encode(ARRAY, 0x07), 'expected 00 00, a type of 08'),
    (encode(ARRAY)[:10], 'has 10 bytes, but its header'),
    (encode(ARRAY)[:-1], r'39 bytes.*shape \(4, 3, 2\), type uint8.*for 40'),
    (encode(ARRAY) + b'\0', '41 bytes.*asks for 40'),
    (gzip.compress(encode(ARRAY))[:-9], 'cannot be decompressed'),
    (gzip.compress(encode(ARRAY))[:-8] + bytes(8), 'CRC check failed'),
  ],
)
def test_says_what_is_wrong_with_a_damaged_file(tmp_path, content, message):
  path = tmp_path / 'damaged-ubyte'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=f'damaged-ubyte.*{message}'):
    idx.read(path)
