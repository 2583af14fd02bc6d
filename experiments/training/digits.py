"""Training one encoder for many data sets: on all at once, then on each."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments import models
from experiments.tasks import classification
from experiments.tasks import variants
from experiments.training import loop
from paramspace import base
from paramspace import merging
from paramspace.launch import nonfinite

PHASES = ('pretrain', 'finetune')


class Model(NamedTuple):
  """What is tuned and merged, and what is neither.

  Attributes:
    encoder: From images to features.
    heads: From features to logits, linear: a kernel `[tasks, features,
      classes]` and a bias `[tasks, classes]`.
  """

  encoder: base.Params
  heads: base.Params


class Fit(NamedTuple):
  """What changes in training.

  Attributes:
    params: A `Model`, or the encoders of all tasks, `[tasks, *s]`.
    optimizer: The optimizer's state.
  """

  params: Any
  optimizer: optax.OptState


class Program:
  """The compiled functions of one seed."""

  def __init__(
    self, data: variants.Variants, config: ml_collections.ConfigDict
  ):
    """Compiles nothing yet.

    Args:
      data: The tasks.
      config: As in `configs/merging/digits_tasks.py`.

    Raises:
      ValueError: If there is no such model, or its arguments are wrong, or
        there are fewer images than are trained on.
    """
    self._data, self._config = data, config
    count = data.train.labels.shape[1]
    for phase in PHASES:
      options = config[phase]
      if not options.batch_size <= options.examples <= count:
        raise ValueError(
          f'`{phase}.examples` must lie between `batch_size` = '
          f'{options.batch_size} and the {count} images of the training '
          f'split, got {options.examples}.'
        )
    self._network = models.make(classes=config.features, **config.model)
    generator = np.random.default_rng(config.seed)
    # Of the order of each task's images, in both phases.
    seeds = generator.integers(2**32, size=(2, len(data.names)))
    self._seeds = dict(zip(PHASES, seeds, strict=True))
    self._optimizers = {
      phase: optax.adam(config[phase].learning_rate) for phase in PHASES
    }
    self._start = jax.jit(self._initial)
    self._pretrain = jax.jit(self._pretrain_steps)
    self._fork = jax.jit(self._forked)
    self._finetune = jax.jit(self._finetune_steps)
    self._accuracy = jax.jit(self._accuracies)
    self._grams = jax.jit(self._grams_of)
    self._fisher = jax.jit(self._fisher_of)

  def start(self) -> Fit:
    """Returns the model before the first step."""
    return self._start(jax.random.key(self._config.seed))

  def pretrain(self, fit: Fit, first: int, last: int) -> tuple[Fit, jax.Array]:
    """Trains the encoder and all heads on all tasks at once.

    Args:
      fit: Of a `Model`.
      first: Steps behind it.
      last: Steps behind it afterwards.

    Returns:
      The new fit, and the mean loss over steps and tasks.
    """
    batches = self._batches('pretrain', first, last)
    return self._pretrain(fit, batches, self._data.train)

  def fork(self, encoder: base.Params) -> Fit:
    """Returns a copy of the encoder for each task, before the first step."""
    return self._fork(encoder)

  def finetune(
    self, fit: Fit, heads: base.Params, first: int, last: int
  ) -> tuple[Fit, jax.Array]:
    """Trains every task's encoder, below a head that stays as it is.

    Args:
      fit: Of the encoders.
      heads: Those of the pretrained model.
      first: Steps behind it.
      last: Steps behind it afterwards.

    Returns:
      The new fit, and the mean loss over the steps, `[tasks]`.
    """
    batches = self._batches('finetune', first, last)
    return self._finetune(fit, heads, batches, self._data.train)

  def accuracy(
    self,
    encoders: base.Params,
    heads: base.Params,
    tasks: Sequence[int],
    split: classification.Split,
  ) -> np.ndarray:
    """Measures every encoder on every task.

    Args:
      encoders: `[k, *s]`.
      heads: Of all tasks.
      tasks: Indices of n of them.
      split: Of all tasks.

    Returns:
      float32 `[k, n]`.
    """
    at = np.array(tasks, np.int32)
    return np.asarray(self._accuracy(encoders, heads, at, split))

  def grams(self, encoder: base.Params, task: int) -> dict[str, jax.Array]:
    """Returns what RegMean must know of a task's encoder."""
    images = self._data.train.images[task]
    return self._grams(encoder, images[: self._config.examples.grams])

  def fisher(
    self, encoder: base.Params, heads: base.Params, task: int
  ) -> base.Params:
    """Returns the diagonal of the Fisher information of a task's encoder."""
    images = self._data.train.images[task]
    head = jax.tree.map(lambda x: x[task], heads)
    return self._fisher(encoder, head, images[: self._config.examples.fisher])

  def _batches(self, phase: str, first: int, last: int) -> np.ndarray:
    """Returns indices of training images, `[steps, tasks, batch]`."""
    options = self._config[phase]
    sizes = options.examples, options.batch_size
    return np.stack(
      [loop.batches(int(s), first, last, *sizes) for s in self._seeds[phase]], 1
    )

  def _initial(self, key: base.PRNGKey) -> Fit:
    key_encoder, key_heads = jax.random.split(key)
    image = centre(self._data.train.images[0, :1])
    tasks, classes = len(self._data.names), self._data.classes
    he_normal = jax.nn.initializers.he_normal(batch_axis=0)
    heads = {
      'kernel': he_normal(key_heads, (tasks, self._config.features, classes)),
      'bias': jnp.zeros((tasks, classes)),
    }
    model = Model(self._network.init(key_encoder, image), heads)
    return Fit(model, self._optimizers['pretrain'].init(model))

  def _forked(self, encoder: base.Params) -> Fit:
    repeat = lambda x: jnp.repeat(x[None], len(self._data.names), axis=0)
    copies = jax.tree.map(repeat, encoder)
    return Fit(copies, jax.vmap(self._optimizers['finetune'].init)(copies))

  def _features(self, encoder: base.Params, images: jax.Array) -> jax.Array:
    """Maps images `[n, H, W, C]` to features `[n, features]`."""
    return jax.nn.relu(self._network.apply(encoder, centre(images)))

  def _pretrain_steps(self, fit, batches, train):
    def loss(model, images, labels):
      tasks, batch, *shape = images.shape
      # One product with the images of all tasks, rather than one for each.
      features = self._features(
        model.encoder, images.reshape(tasks * batch, *shape)
      )
      logits = jax.vmap(_logits)(
        model.heads, features.reshape(tasks, batch, -1)
      )
      return classification.cross_entropy(logits, labels)

    step = self._step('pretrain', loss)
    return _scan(step, fit, batches, train)

  def _finetune_steps(self, fit, heads, batches, train):
    def loss(encoder, head, images, labels):
      logits = _logits(head, self._features(encoder, images))
      return classification.cross_entropy(logits, labels)

    steps = jax.vmap(self._step('finetune', loss))
    one_step = lambda fit, *batch: steps(fit, heads, *batch)
    return _scan(one_step, fit, batches, train)

  def _step(self, phase: str, loss: Callable[..., jax.Array]) -> Callable:
    """Returns a step of training, `(fit, *inputs of the loss)`."""
    keep = nonfinite.keep(self._config.nonfinite)
    optimizer = self._optimizers[phase]

    def step(fit, *inputs):
      value, gradient = jax.value_and_grad(loss)(fit.params, *inputs)
      updates, moved = optimizer.update(gradient, fit.optimizer, fit.params)
      new = Fit(optax.apply_updates(fit.params, updates), moved)
      return keep(new, fit, (value, gradient)).state, value

    return step

  def _accuracies(self, encoders, heads, tasks, split):
    def of_task(task):
      head, images, labels = jax.tree.map(
        lambda x: x[task], (heads, split.images, split.labels)
      )
      features = jax.vmap(self._features, (0, None))(encoders, images)
      found = jax.vmap(_logits, (None, 0))(head, features).argmax(-1)
      return (found == labels[None]).mean(-1, dtype=jnp.float32)  # [k]

    return jax.lax.map(of_task, tasks).T

  def _grams_of(self, encoder, images):
    apply = lambda encoder, x: self._network.apply(encoder, centre(x))
    return merging.grams(merging.layer_inputs(apply, encoder, images))

  def _fisher_of(self, encoder, head, images):
    def log_prob(encoder, image):
      logits = _logits(head, self._features(encoder, image[None]))
      return jax.nn.log_softmax(logits[0])

    return merging.fisher_diagonal(log_prob, encoder, images, batch=8)


def centre(images: jax.Array) -> jax.Array:
  """Maps 0 to 255 onto float32 in [-1, 1]: to invert is to negate."""
  return jnp.asarray(images).astype(jnp.float32) / 127.5 - 1


def _logits(head: base.Params, features: jax.Array) -> jax.Array:
  """Maps features `[n, features]` to logits `[n, classes]`."""
  return features @ head['kernel'] + head['bias'][None]


def _scan(step, fit, batches, train):
  """Takes a step for each of the batches, `[steps, tasks, batch]`."""
  take = jax.vmap(lambda x, at: x[at])

  def one_step(fit, at):
    return step(fit, *(take(x, at) for x in train))

  fit, losses = jax.lax.scan(one_step, fit, batches)
  return fit, losses.mean(0)
