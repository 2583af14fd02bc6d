"""The data sets by name, all in the same form."""

import hashlib
import importlib.util
import pathlib
from typing import NamedTuple

import numpy as np

from experiments.data import cifar
from experiments.data import files
from experiments.data import idx
from experiments.data import usps
from paramspace import resolve


class Dataset(NamedTuple):
  """Labelled images, as they were published.

  Attributes:
    train_images: uint8 `[N, H, W, C]`.
    train_labels: int32 `[N]`.
    test_images: uint8 `[M, H, W, C]`.
    test_labels: int32 `[M]`.
    classes: The number of classes.
    digest: sha256 of the four arrays, hexadecimal.
  """

  train_images: np.ndarray
  train_labels: np.ndarray
  test_images: np.ndarray
  test_labels: np.ndarray
  classes: int
  digest: str


def load(name: str) -> Dataset:
  """Loads a data set by name.

  Args:
    name: `'digits'` (8x8, ships with scikit-learn), `'mnist'`,
      `'fashion_mnist'` (28x28), `'usps'` (16x16) or `'cifar10'` (32x32,
      colour).

  Returns:
    The data set, in its published order.

  Raises:
    ValueError: If there is no such data set, or a file is damaged.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks a file.
    OSError: If the data set had to be downloaded and could not be.

  Examples:
    >>> load('digits').train_images.shape
    (1437, 8, 8, 1)
  """
  if name not in _READERS:
    raise ValueError(resolve.unknown('data set', name, _READERS))
  arrays = _READERS[name]()
  for images, labels in arrays[:2], arrays[2:]:
    if len(images) != len(labels):
      raise ValueError(
        f'{name} has {len(images)} images but {len(labels)} labels.'
      )
  return Dataset(*arrays, classes=10, digest=_digest(arrays))


def blank(name: str) -> Dataset:
  """Returns one black image where `load` returns all, without reading a file.

  Args:
    name: As in `load`.

  Returns:
    A data set of the same shapes and types but for the number of images; for
    `jax.eval_shape`.

  Raises:
    ValueError: If there is no such data set.

  Examples:
    >>> blank('cifar10').train_images.shape
    (1, 32, 32, 3)
  """
  if name not in _SHAPES:
    raise ValueError(resolve.unknown('data set', name, _SHAPES))
  images, labels = (
    np.zeros((1, *_SHAPES[name]), np.uint8),
    np.zeros(1, np.int32),
  )
  return Dataset(images, labels, images, labels, classes=10, digest='')


_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _digits(test_size: int = 360) -> _Arrays:
  """Digits of 8x8 pixels; a fixed shuffle's last `test_size` are the test."""
  # The file that `sklearn.datasets.load_digits` reads: to import that package
  # takes longer than all else until the first step.
  (package,) = importlib.util.find_spec('sklearn').submodule_search_locations
  path = pathlib.Path(package, 'datasets', 'data', 'digits.csv.gz')
  rows = np.loadtxt(path, delimiter=',', dtype=np.int32)  # Pixels and label.
  rows = rows[np.random.default_rng(0).permutation(len(rows))]
  images = (rows[:, :-1].reshape(-1, 8, 8, 1) * 255 // 16).astype(np.uint8)
  labels = rows[:, -1]
  cut = len(labels) - test_size
  return images[:cut], labels[:cut], images[cut:], labels[cut:]


def _mnist(name: str) -> _Arrays:
  """A set in MNIST's form: four IDX files."""
  paths = files.fetch(name)
  images = lambda half: idx.read(paths[f'{half}-images-idx3-ubyte.gz'])
  labels = lambda half: idx.read(paths[f'{half}-labels-idx1-ubyte.gz'])
  return (
    images('train')[..., None],
    labels('train').astype(np.int32),
    images('t10k')[..., None],
    labels('t10k').astype(np.int32),
  )


def _cifar10() -> _Arrays:
  """Five batches to train on, one to test on."""
  batches = [cifar.read(path) for path in files.fetch('cifar10').values()]
  *train_images, test_images = [images for images, _ in batches]
  *train_labels, test_labels = [labels for _, labels in batches]
  return (
    np.concatenate(train_images),
    np.concatenate(train_labels).astype(np.int32),
    test_images,
    test_labels.astype(np.int32),
  )


def _usps() -> _Arrays:
  """The published split of the post office's digits."""
  (path,) = files.fetch('usps').values()
  images, labels = usps.read(path)
  labels, cut = labels.astype(np.int32), usps.TRAIN
  return images[:cut], labels[:cut], images[cut:], labels[cut:]


def _digest(arrays: _Arrays) -> str:
  """Returns the sha256 of shapes, types and contents."""
  digest = hashlib.sha256()
  for array in arrays:
    digest.update(f'{array.dtype.name}{array.shape}'.encode())
    digest.update(np.ascontiguousarray(array))
  return digest.hexdigest()


_READERS = {
  'digits': _digits,
  'mnist': lambda: _mnist('mnist'),
  'fashion_mnist': lambda: _mnist('fashion_mnist'),
  'usps': _usps,
  'cifar10': _cifar10,
}

_SHAPES = {
  'digits': (8, 8, 1),
  'mnist': (28, 28, 1),
  'fashion_mnist': (28, 28, 1),
  'usps': (16, 16, 1),
  'cifar10': (32, 32, 3),
}

NAMES = tuple(_READERS)
