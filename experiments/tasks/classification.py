"""Image classification."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments import data as datasets
from experiments import models
from experiments.tasks import pixels
from paramspace import base


class Split(NamedTuple):
  """Labelled images, on the device.

  Attributes:
    images: uint8 `[N, H, W, C]`.
    labels: int32 `[N]`.
  """

  images: jax.Array
  labels: jax.Array


class Source(NamedTuple):
  """Data, before there is a model.

  Attributes:
    classes: The number of classes.
    digest: sha256 of the data set, before any change to its pixels.
    train: What to train on.
    test: What to measure on.
    scale: From images as they are stored (uint8) to what a model is given.
  """

  classes: int
  digest: str
  train: Split
  test: Split
  scale: Callable[[jax.Array], jax.Array]


class Task(NamedTuple):
  """A classification problem: what to fit, with what, and how it is judged.

  The functions take images as they are stored (uint8), and are pure: they go
  through `jit`, `grad` and `vmap`, over parameters and over batches. Pass the
  images of `train` and `test` to a jitted function as arguments.

  Attributes:
    name: E.g. `'mnist_fc'`.
    classes: The number of classes.
    digest: sha256 of the data set, before any change to its pixels.
    train: What to train on.
    test: What to measure on.
    init: `(key) -> params`.
    apply: `(params, images) -> logits`, float32 `[n, classes]`.
    loss: `(params, images, labels) -> mean cross-entropy`, float32 scalar.
  """

  name: str
  classes: int
  digest: str
  train: Split
  test: Split
  init: Callable[[base.PRNGKey], base.Params]
  apply: Callable[[base.Params, jax.Array], jax.Array]
  loss: Callable[[base.Params, jax.Array, jax.Array], jax.Array]


def make(
  *,
  data: str,
  model: Mapping[str, Any],
  shuffled_pixels: bool = False,
  standardize: bool = False,
  load: Callable[[str], datasets.Dataset] = datasets.load,
) -> Task:
  """Makes a classification task.

  Args:
    data: A data set's name: digits, mnist, fashion_mnist, cifar10.
    model: A model's name and arguments: `dict(name='fc', depth=2, width=200)`.
    shuffled_pixels: Whether to apply one fixed permutation to the positions of
      the pixels, in training and in test.
    standardize: Whether to centre and scale each channel by the mean and
      deviation of the training set. Otherwise pixels lie in [0, 1], as in the
      intrinsic dimension paper.
    load: What returns the data of that name; `datasets.blank` where only the
      shapes matter.

  Returns:
    The task.

  Raises:
    ValueError: If there is no such data set or model, or its arguments are
      wrong, or the data is damaged.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks the data.

  Examples:
    >>> import jax
    >>> task = make(data='digits', model=dict(name='fc', depth=1, width=16))
    >>> params = task.init(jax.random.key(0))
    >>> task.apply(params, task.test.images).shape
    (360, 10)

  References:
    Li et al, 2018, https://arxiv.org/abs/1804.08838, Section 3.
  """
  source = read(data, shuffled_pixels, standardize, load)
  network = models.make(classes=source.classes, **model)

  def init(key: base.PRNGKey) -> base.Params:
    return network.init(key, source.scale(source.train.images[:1]))

  def apply(params: base.Params, images: jax.Array) -> jax.Array:
    logits = network.apply(params, source.scale(images))
    return logits.astype(jnp.float32)

  def loss(
    params: base.Params, images: jax.Array, labels: jax.Array
  ) -> jax.Array:
    return cross_entropy(apply(params, images), labels)

  return Task(
    name='_'.join(
      [data, *['shuffled_pixels'] * shuffled_pixels, model['name']]
    ),
    classes=source.classes,
    digest=source.digest,
    train=source.train,
    test=source.test,
    init=init,
    apply=apply,
    loss=loss,
  )


def read(
  data: str,
  shuffled_pixels: bool,
  standardize: bool,
  load: Callable[[str], datasets.Dataset],
) -> Source:
  """Reads the data of a task; the arguments are those of `make`."""
  dataset = load(data)
  train_images, test_images = dataset.train_images, dataset.test_images
  if shuffled_pixels:
    train_images = pixels.shuffle(train_images)
    test_images = pixels.shuffle(test_images)
  return Source(
    classes=dataset.classes,
    digest=dataset.digest,
    train=Split(jnp.asarray(train_images), jnp.asarray(dataset.train_labels)),
    test=Split(jnp.asarray(test_images), jnp.asarray(dataset.test_labels)),
    scale=pixels.standardize(train_images) if standardize else pixels.to_unit,
  )


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """Returns the mean over logits `[n, classes]` and labels `[n]`."""
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
  return losses.mean()
