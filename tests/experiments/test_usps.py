import os
import pathlib

import numpy as np
import pytest
import scipy.io
import scipy.ndimage

from experiments.data import files
from experiments.data import sets
from experiments.data import usps
from experiments.tasks import shifts


def rows(count=4):
  """Grey levels at random, and the labels 10, 1, 2, ..."""
  rng = np.random.default_rng(0)
  table = rng.integers(0, 256, (count, 257), np.uint8)
  table[:, -1] = [(i + 9) % 10 + 1 for i in range(count)]
  return table


def write(path, table):
  scipy.io.savemat(path / 'usps_all.mat', {'usps_all': table})
  return path / 'usps_all.mat'


def test_reads_images_row_by_row_and_labels_from_zero(tmp_path):
  table = rows()
  images, labels = usps.read(write(tmp_path, table))
  assert images.dtype == np.uint8
  assert labels.tolist() == [9, 0, 1, 2]
  np.testing.assert_array_equal(images.reshape(4, 256), table[:, :-1])
  np.testing.assert_array_equal(images[0, 1, :, 0], table[0, 16:32])


@pytest.mark.parametrize(
  ('table', 'message'),
  [
    (rows()[:, :-1], r'is uint8 \[4, 256\], expected uint8 \[n, 257\]'),
    (rows().astype(float), r'is float64 \[4, 257\]'),
    (np.zeros((2, 257), np.uint8), 'label 0 in row 0, expected 1 to 10'),
    (np.full((2, 257), 11, np.uint8), 'label 11 in row 0'),
  ],
)
def test_says_what_is_wrong_with_the_rows(tmp_path, table, message):
  with pytest.raises(ValueError, match=message):
    usps.read(write(tmp_path, table))


@pytest.mark.parametrize('content', [b'', b'no MATLAB file' * 20])
def test_a_damaged_file_is_an_error(tmp_path, content):
  path = tmp_path / 'usps_all.mat'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r'usps_all\.mat is not a MATLAB file'):
    usps.read(path)


def test_a_file_without_the_variable_is_an_error(tmp_path):
  path = tmp_path / 'usps_all.mat'
  scipy.io.savemat(path, {'data': rows()})
  with pytest.raises(ValueError, match="has no variable 'usps_all'"):
    usps.read(path)


def test_the_published_set_is_what_it_should_be():
  root = pathlib.Path(os.environ.get(files.VARIABLE) or files.cache())
  if not (root / 'usps').is_dir():
    pytest.skip(f'needs usps in {root}, and it cannot be downloaded')
  found = sets.load('usps')
  assert found.train_images.shape == (7291, 16, 16, 1)
  assert found.test_images.shape == (2007, 16, 16, 1)
  assert np.bincount(found.train_labels).tolist() == [
    *(1194, 1005, 731, 658, 652),
    *(556, 664, 645, 542, 644),
  ]
  assert found.digest.startswith('5b756d51235fa63d')


def test_a_quarter_turn_moves_every_pixel_to_where_it_belongs():
  images = np.random.default_rng(0).integers(0, 256, (3, 7, 7, 2), np.uint8)
  np.testing.assert_array_equal(
    shifts.rotate(images, 90), np.rot90(images, axes=(1, 2))
  )
  np.testing.assert_array_equal(shifts.rotate(images, 0), images)


def test_a_turn_is_that_of_scipy_away_from_the_border():
  images = np.zeros((2, 28, 28, 1), np.uint8)
  inner = images[:, 9:19, 9:19]
  inner[:] = np.random.default_rng(0).integers(0, 256, inner.shape)
  found = shifts.rotate(images, 30).astype(float)
  expected = scipy.ndimage.rotate(
    images.astype(float), 30, axes=(1, 2), reshape=False, order=1
  )
  np.testing.assert_allclose(found, expected, atol=0.51)


def test_a_digit_gets_the_size_and_the_place_that_it_has_in_mnist():
  found = shifts.like_mnist(np.full((1, 16, 16, 1), 200, np.uint8))
  assert found.shape == (1, 28, 28, 1)
  assert (found[0, 5:-5, 5:-5] == 200).all()
  assert not found[0, :3].any() and not found[0, :, -3:].any()
  np.testing.assert_array_equal(found, found[:, ::-1, ::-1])
