"""Fine-tuning an encoder on sentences."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments.tasks import classification
from experiments.tasks import sentences
from experiments.training import loop
from paramspace import base
from paramspace import deltas
from paramspace.launch import nonfinite

NEVER = -10.0
OPTIMIZERS = ('adam', 'adam_toward_base')


class State(NamedTuple):
  """What changes in training.

  Attributes:
    params: The leaves of the encoder that are trained.
    optimizer: The optimizer's state.
  """

  params: base.Params
  optimizer: optax.OptState


class Program:
  """The compiled functions of a run."""

  def __init__(
    self,
    encoder: sentences.Encoder,
    task: sentences.Task,
    config: ml_collections.ConfigDict,
  ):
    """Compiles nothing yet.

    Args:
      encoder: What is fine-tuned.
      task: On what.
      config: As in `configs/merging/minilm_finetuning.py`.

    Raises:
      ValueError: If there is no such optimizer.
    """
    if config.optimizer.name not in OPTIMIZERS:
      raise ValueError(
        f'`optimizer.name` is one of {OPTIMIZERS}, got '
        f'{config.optimizer.name!r}.'
      )
    self._encoder, self._task, self._config = encoder, task, config
    self._optimizer = _optimizer(config, encoder.params)
    self._steps = jax.jit(self._train, donate_argnums=0)

  def start(self) -> State:
    """Returns the state before the first step."""
    params = jax.tree.map(jnp.copy, self._encoder.params)
    return State(params, self._optimizer.init(params))

  def train(
    self, state: State, head: base.Params, first: int, last: int
  ) -> tuple[State, jax.Array]:
    """Trains from step `first` to `last`.

    Args:
      state: Where the run is; donated.
      head: The task's, which stays as it is.
      first: Steps behind it.
      last: Steps behind it afterwards.

    Returns:
      The new state, and the mean loss over the steps.
    """
    config, train = self._config, self._task.train
    batches = loop.batches(
      config.seed, first, last, len(train.labels), config.batch_size
    )
    return self._steps(state, self._encoder.frozen, head, batches, train)

  def _train(self, state, frozen, head, batches, train):
    """Scans over the batches, `[steps, batch]`."""
    keep = nonfinite.keep(self._config.nonfinite)

    def loss(params, batch):
      tokens, labels = batch
      answers = sentences.logits(self._encoder, params, frozen, head, tokens)
      return classification.cross_entropy(answers, labels)

    def one_step(state, at):
      batch = jax.tree.map(lambda x: x[at], train)
      value, grad = jax.value_and_grad(loss)(state.params, batch)
      updates, optimizer = self._optimizer.update(
        grad, state.optimizer, state.params
      )
      new = State(optax.apply_updates(state.params, updates), optimizer)
      return keep(new, state, (value, grad)).state, value

    state, losses = jax.lax.scan(one_step, state, batches)
    return state, losses.mean()


def head(
  encoder: sentences.Encoder, task: sentences.Task, examples: int
) -> base.Params:
  """Fits a head to the pretrained encoder, by logistic regression.

  Args:
    encoder: Whose embeddings.
    task: Of whose training set the first examples are read.
    examples: How many.

  Returns:
    `{'kernel': [width, classes], 'bias': [classes]}`, float32; the logit of the
    first of two classes is 0, and that of classes not seen `NEVER`.
  """
  from sklearn import linear_model  # Takes half a second.

  some = jax.tree.map(lambda x: x[:examples], task.train)
  states, labels = embeddings(encoder, sentences.by_length(some))
  middle, deviation = states.mean(axis=0), states.std(axis=0).mean()
  fitted = linear_model.LogisticRegression(C=0.1, max_iter=10_000)
  fitted.fit((states - middle) / deviation, labels)
  kernel = np.zeros((states.shape[1], task.classes))
  bias = np.full(task.classes, NEVER)
  two = len(fitted.classes_) == 2  # Then there is a row for the second only.
  bias[fitted.classes_] = [0, *fitted.intercept_] if two else fitted.intercept_
  kernel[:, fitted.classes_[two:]] = fitted.coef_.T / deviation
  bias -= middle @ kernel
  return {
    'kernel': jnp.asarray(kernel, jnp.float32),
    'bias': jnp.asarray(bias, jnp.float32),
  }


def embeddings(
  encoder: sentences.Encoder, parts: tuple[sentences.Split, ...]
) -> tuple[np.ndarray, np.ndarray]:
  """Returns what the pretrained encoder makes of texts, and their labels.

  Args:
    encoder: The encoder.
    parts: The texts, as `sentences.by_length` cuts them.

  Returns:
    float64 `[n, width]`, and int32 `[n]`.
  """
  embed = jax.jit(encoder.embed)
  states = [embed(encoder.params, encoder.frozen, x.tokens) for x in parts]
  labels = np.concatenate([x.labels for x in parts])
  some = labels >= 0
  return np.concatenate(states).astype(np.float64)[some], labels[some]


def _optimizer(
  config: ml_collections.ConfigDict, params: base.Params
) -> optax.GradientTransformation:
  """Adam whose rate rises and falls; or that pulls towards the pretrained."""
  options = config.optimizer
  rate = optax.warmup_cosine_decay_schedule(
    0.0,
    options.learning_rate,
    max(round(options.warmup * config.steps), 1),
    config.steps,
  )
  if options.name == 'adam':
    return optax.adam(rate)
  return deltas.adam_toward_base(rate, params, options.decay)
