import numpy as np
import pytest

from experiments.data import cifar


def encode(images, labels):
  planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
  return np.concatenate([labels[:, None], planes], axis=1).tobytes()


def test_reads_what_was_written(tmp_path):
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (5, 32, 32, 3), np.uint8)
  labels = rng.integers(0, 10, 5, np.uint8)
  (tmp_path / 'x.bin').write_bytes(encode(images, labels))
  found_images, found_labels = cifar.read(tmp_path / 'x.bin')
  np.testing.assert_array_equal(found_images, images)
  np.testing.assert_array_equal(found_labels, labels)


def test_first_plane_is_red_and_runs_along_rows(tmp_path):
  record = bytes([3]) + bytes([10, 20]) + bytes(3070)
  (tmp_path / 'x.bin').write_bytes(record)
  images, labels = cifar.read(tmp_path / 'x.bin')
  assert labels.tolist() == [3]
  assert images[0, 0, :2].tolist() == [[10, 0, 0], [20, 0, 0]]


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'', '0 bytes, expected a positive multiple of 3073'),
    (bytes(3072), '3072 bytes'),
    (bytes(2 * 3073 + 1), '6147 bytes'),
    (bytes(3073) + b'\x0a' + bytes(3072), 'label 10 in record 1'),
  ],
)
def test_says_what_is_wrong_with_a_damaged_file(tmp_path, content, message):
  path = tmp_path / 'data_batch_1.bin'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=f'data_batch_1.bin has {message}'):
    cifar.read(path)
