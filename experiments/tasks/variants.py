"""Image data sets and their turned and inverted variants, side by side."""

import hashlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import data as datasets
from experiments.tasks import classification
from experiments.tasks import shifts

CHANGES = {
  'rotated': lambda images: np.rot90(images, axes=(1, 2)),
  'inverted': lambda images: 255 - images,
}


class Variants(NamedTuple):
  """Several data sets, with as many images of each.

  Attributes:
    names: What they are, `n` of them.
    classes: The number of classes.
    digest: sha256 of the names, and of the data sets that they are made of.
    train: What to train on; images are uint8 `[n, N, H, W, C]`.
    validation: What is held out of the training sets.
    test: What to measure on.
  """

  names: tuple[str, ...]
  classes: int
  digest: str
  train: classification.Split
  validation: classification.Split
  test: classification.Split


def read(
  names: Sequence[str],
  *,
  side: int,
  train: int,
  validation: int,
  test: int,
  load: Callable[[str], datasets.Dataset] = datasets.load,
) -> Variants:
  """Reads data sets by name.

  An image is in the same split of all variants of its data set, so that what is
  held out of one is not trained on in another.

  Args:
    names: Data sets' names, or these with '_rotated' behind, by 90 degrees
      counterclockwise, or '_inverted': `'mnist_rotated'`.
    side: Height and width. Images of another size are digits that fill them,
      those of USPS, and are scaled to the size that digits have in MNIST.
    train: How many images of each to train on, the first.
    validation: How many to hold out, those that come next.
    test: How many of each test set to keep, the first.
    load: What returns the data of a name.

  Returns:
    The variants, in the order of the names.

  Raises:
    ValueError: If there is no such data set, or it has too few images, or is
      damaged, or a size is not positive.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks the data.

  Examples:
    >>> names = ('digits', 'digits_inverted')
    >>> read(names, side=8, train=9, validation=5, test=2).train.images.shape
    (2, 9, 8, 8, 1)
  """
  if not names:
    raise ValueError('`names` is empty; name one data set or more.')
  sizes = {'train': train, 'validation': validation, 'test': test}
  for split, count in sizes.items():
    if count < 1:
      raise ValueError(f'`{split}` must be positive, got {count}.')
  changes = {name: _parse(name) for name in names}
  loaded = {data: load(data) for data in dict(changes.values())}
  made = [
    _splits(data, change, loaded[data], side, sizes)
    for data, change in changes.values()
  ]
  stack = lambda *xs: jnp.asarray(np.stack(xs))
  digests = ' '.join([*names, *(x.digest for x in loaded.values())])
  return Variants(
    tuple(names),
    max(x.classes for x in loaded.values()),
    hashlib.sha256(digests.encode()).hexdigest(),
    **jax.tree.map(stack, *made),
  )


def _parse(name: str) -> tuple[str, str]:
  """Returns the data set, and what is done to it, '' for nothing."""
  data, _, change = name.rpartition('_')
  return (data, change) if change in CHANGES else (name, '')


def _splits(
  data: str,
  change: str,
  dataset: datasets.Dataset,
  side: int,
  sizes: Mapping[str, int],
) -> dict[str, classification.Split]:
  """Cuts a data set into splits, and changes its images."""
  held_out = sizes['train'] + sizes['validation']
  for half, needed, labels in (
    ('training', held_out, dataset.train_labels),
    ('test', sizes['test'], dataset.test_labels),
  ):
    if needed > len(labels):
      raise ValueError(
        f'{data} has {len(labels)} {half} images, but {needed} are asked for.'
      )

  def cut(images, labels, *ends):
    images = images[slice(*ends)]
    if images.shape[1] != side:
      images = shifts.like_mnist(images, side, box=side * 5 // 7)
    if change:
      images = CHANGES[change](images)
    return classification.Split(images, labels[slice(*ends)])

  train = dataset.train_images, dataset.train_labels
  test = dataset.test_images, dataset.test_labels
  return {
    'train': cut(*train, sizes['train']),
    'validation': cut(*train, sizes['train'], held_out),
    'test': cut(*test, sizes['test']),
  }
