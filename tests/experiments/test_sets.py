import gzip
import hashlib
import struct

import numpy as np
import pytest

from experiments.data import files
from experiments.data import published
from experiments.data import sets


def test_digits_are_the_same_everywhere():
  digits = sets.load('digits')
  assert digits.train_images.shape == (1437, 8, 8, 1)
  assert digits.test_images.shape == (360, 8, 8, 1)
  assert digits.train_images.dtype == np.uint8
  assert digits.train_labels.dtype == np.int32
  assert digits.train_images.max() == 255
  assert digits.digest.startswith('bcc808ead9cca04f')


def test_train_and_test_digits_are_all_digits_once():
  digits = sets.load('digits')
  counts = np.bincount(
    np.concatenate([digits.train_labels, digits.test_labels])
  )
  assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_an_unknown_name_gives_the_nearest_and_all():
  message = "No data set 'cifar'; did you mean 'cifar10'.* Have: cifar10, digit"
  with pytest.raises(ValueError, match=message):
    sets.load('cifar')


def encode(array):
  sizes = struct.pack(f'>{array.ndim}I', *array.shape)
  return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def tiny_mnist(monkeypatch, tmp_path):
  """Puts a set in MNIST's form in place of it."""

  def put(train_images, train_labels, test_images, test_labels):
    arrays = {
      'train-images-idx3-ubyte.gz': train_images,
      'train-labels-idx1-ubyte.gz': train_labels,
      't10k-images-idx3-ubyte.gz': test_images,
      't10k-labels-idx1-ubyte.gz': test_labels,
    }
    (tmp_path / 'mnist').mkdir()
    sums = {}
    for name, array in arrays.items():
      content = gzip.compress(encode(array))
      (tmp_path / 'mnist' / name).write_bytes(content)
      sums[name] = hashlib.sha256(content).hexdigest()
    release = published.Release(sums, ())
    monkeypatch.setitem(published.RELEASES, 'mnist', release)
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))

  return put


def test_the_four_files_of_mnist_end_up_in_their_places(tiny_mnist):
  images = np.arange(3 * 28 * 28).astype(np.uint8).reshape(3, 28, 28)
  labels = np.array([7, 2, 1], np.uint8)
  tiny_mnist(images, labels, images[1:], labels[1:])
  mnist = sets.load('mnist')
  np.testing.assert_array_equal(mnist.train_images[..., 0], images)
  np.testing.assert_array_equal(mnist.test_images[..., 0], images[1:])
  assert mnist.train_labels.tolist() == [7, 2, 1]
  assert mnist.test_labels.tolist() == [2, 1]
  assert mnist.test_labels.dtype == np.int32


def test_a_label_too_few_is_an_error(tiny_mnist):
  images, labels = np.zeros((3, 28, 28), np.uint8), np.zeros(2, np.uint8)
  tiny_mnist(images, labels, images, labels)
  with pytest.raises(ValueError, match='mnist has 3 images but 2 labels'):
    sets.load('mnist')


@pytest.mark.parametrize(
  ('name', 'shape', 'labels', 'digest'),
  [
    ('mnist', (60000, 28, 28, 1), [5, 0, 4, 1, 9], 'a4508d4ac6c11195'),
    ('fashion_mnist', (60000, 28, 28, 1), [9, 0, 0, 3, 0], 'aff50281d5acc921'),
    ('cifar10', (50000, 32, 32, 3), [6, 9, 9, 4, 1], '04211b3c37801463'),
  ],
)
def test_published_sets_are_what_they_should_be(
  real_data, name, shape, labels, digest
):
  found = real_data(name)
  assert found.train_images.shape == shape
  assert found.test_images.shape == (10_000, *shape[1:])
  assert found.train_labels[:5].tolist() == labels
  assert np.bincount(found.test_labels).sum() == 10_000
  assert found.digest.startswith(digest)
