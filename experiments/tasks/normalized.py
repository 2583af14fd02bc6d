"""Image classification by models with batch statistics."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments import data as datasets
from experiments import models
from experiments.tasks import classification
from paramspace import base


class Variables(NamedTuple):
  """What a model with batch norm consists of.

  Attributes:
    params: What is trained.
    stats: Running means and variances of activations, the 'batch_stats'.
  """

  params: base.Params
  stats: Any


class NormalizedTask(NamedTuple):
  """A classification problem for a model with batch norm.

  As `classification.Task`, but for the batch statistics: `loss` is that of
  training, by the statistics of the batch, and `apply`, for which `evaluate`
  asks, is by those that are given.

  Attributes:
    name: E.g. `'cifar10_cnn'`.
    classes: The number of classes.
    digest: sha256 of the data set.
    train: What to train on.
    test: What to measure on.
    init: `(key) -> Variables`.
    apply: `(Variables, images) -> logits`, float32 `[n, classes]`.
    loss: `(params, stats, images, labels) -> (loss, stats)`: the mean
      cross-entropy, float32 scalar, and the running statistics after the batch.
  """

  name: str
  classes: int
  digest: str
  train: classification.Split
  test: classification.Split
  init: Callable[[base.PRNGKey], Variables]
  apply: Callable[[Variables, jax.Array], jax.Array]
  loss: Callable[
    [base.Params, Any, jax.Array, jax.Array], tuple[jax.Array, Any]
  ]


def make_normalized(
  *,
  data: str,
  model: Mapping[str, Any],
  load: Callable[[str], datasets.Dataset] = datasets.load,
) -> NormalizedTask:
  """Makes a classification task for a model with batch norm.

  Args:
    data: As in `classification.make`.
    model: A model's name and arguments: `dict(name='cnn', widths=(16, 32))`.
    load: As in `classification.make`.

  Returns:
    The task; pixels are standardized.

  Raises:
    ValueError: If there is no such data set or model, or its arguments are
      wrong, or the data is damaged.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks the data.

  Examples:
    >>> import jax
    >>> model = dict(name='cnn', widths=(4, 8))
    >>> task = make_normalized(data='digits', model=model)
    >>> params, stats = task.init(jax.random.key(0))
    >>> loss, stats = task.loss(params, stats, *task.train)
    >>> task.apply(Variables(params, stats), task.test.images).shape
    (360, 10)
  """
  source = classification.read(
    data, shuffled_pixels=False, standardize=True, load=load
  )
  network = models.make_normalized(classes=source.classes, **model)
  collections = lambda params, stats: {'params': params, 'batch_stats': stats}

  def init(key: base.PRNGKey) -> Variables:
    made = network.init(key, source.scale(source.train.images[:1]))
    return Variables(made['params'], made['batch_stats'])

  def apply(variables: Variables, images: jax.Array) -> jax.Array:
    logits = network.apply(collections(*variables), source.scale(images))
    return logits.astype(jnp.float32)

  def loss(
    params: base.Params, stats: Any, images: jax.Array, labels: jax.Array
  ) -> tuple[jax.Array, Any]:
    logits, new = network.apply(
      collections(params, stats),
      source.scale(images),
      train=True,
      mutable=['batch_stats'],
    )
    logits = logits.astype(jnp.float32)
    return classification.cross_entropy(logits, labels), new['batch_stats']

  return NormalizedTask(
    name=f'{data}_{model["name"]}',
    classes=source.classes,
    digest=source.digest,
    train=source.train,
    test=source.test,
    init=init,
    apply=apply,
    loss=loss,
  )
