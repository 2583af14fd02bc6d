"""Language modelling: which token comes next."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import models
from experiments.data import text
from paramspace import base

BATCH_SIZE = 16


class Task(NamedTuple):
  """A text to model: what to fit, with what, and how it is judged.

  The functions are pure: they go through `jit`, `grad` and `vmap`, over
  parameters and over batches. Pass the texts to a jitted function as arguments.

  Attributes:
    name: E.g. `'tinyshakespeare_gpt'`.
    context: The number of tokens that the model reads at once.
    digest: sha256 of the whole text.
    train: What to train on, uint8 `[N]`.
    validation: What to choose by, uint8.
    test: What to measure on, uint8.
    init: `(key) -> params`.
    apply: `(params, tokens) -> logits`, from `[n, t]`, t <= context, to float32
      `[n, t, vocabulary]`.
    loss: `(params, windows) -> nats per byte`, float32 scalar: the mean
      cross-entropy of all tokens but the first of windows `[n, context + 1]`.
  """

  name: str
  context: int
  digest: str
  train: jax.Array
  validation: jax.Array
  test: jax.Array
  init: Callable[[base.PRNGKey], base.Params]
  apply: Callable[[base.Params, jax.Array], jax.Array]
  loss: Callable[[base.Params, jax.Array], jax.Array]


def make(
  *,
  data: str,
  model: Mapping[str, Any],
  load: Callable[[str], text.Text] = text.load,
) -> Task:
  """Makes a language modelling task.

  Args:
    data: A text's name: tinyshakespeare, movie_reviews.
    model: A model's name and arguments, `context` among them.
    load: What returns the text of that name.

  Returns:
    The task.

  Raises:
    ValueError: If there is no such text or model, or its arguments are wrong,
      or a file is damaged.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks the text.
  """
  content = load(data)
  network = models.make_language(vocabulary=content.vocabulary, **model)

  def init(key: base.PRNGKey) -> base.Params:
    return network.init(key, jnp.zeros((1, 1), jnp.int32))

  def apply(params: base.Params, tokens: jax.Array) -> jax.Array:
    logits = network.apply(params, tokens.astype(jnp.int32))
    return logits.astype(jnp.float32)

  def loss(params: base.Params, windows: jax.Array) -> jax.Array:
    return token_losses(apply, params, windows).mean()

  return Task(
    name=f'{data}_{model["name"]}',
    context=network.context,
    digest=content.digest,
    train=jnp.asarray(content.train),
    validation=jnp.asarray(content.validation),
    test=jnp.asarray(content.test),
    init=init,
    apply=apply,
    loss=loss,
  )


def token_losses(
  apply: Callable[[base.Params, jax.Array], jax.Array],
  params: base.Params,
  windows: jax.Array,
) -> jax.Array:
  """Returns the cross-entropy of each token after the first of its window.

  Args:
    apply: That of a task.
    params: The parameters.
    windows: `[n, t + 1]`.

  Returns:
    Nats, float32 `[n, t]`.
  """
  logits = apply(params, windows[:, :-1])
  return optax.softmax_cross_entropy_with_integer_labels(
    logits, windows[:, 1:].astype(jnp.int32)
  )


def evaluate(
  task: Task,
  params: base.Params,
  tokens: jax.Array,
  batch_size: int = BATCH_SIZE,
) -> jax.Array:
  """Evaluates a model on a whole text; goes through `jit` and `vmap`.

  The text is cut into windows that predict `context` tokens each, so that a
  token is predicted from 1 to `context` tokens before it, and each but the
  first token once.

  Args:
    task: Whose model and loss.
    params: The parameters.
    tokens: The text, `task.test` for instance, of more than `context` tokens.
    batch_size: How many windows are in memory as activations at a time.

  Returns:
    Nats per byte, the mean over the whole text, float32 scalar.

  Raises:
    ValueError: If the text has no whole window.
  """
  context, count = task.context, len(tokens) - 1
  _check_length(len(tokens), context)
  firsts = np.arange(0, count, context)
  # The last window ends where the text ends, and what is behind it is masked.
  padding = -len(firsts) % batch_size
  firsts = np.pad(firsts, (0, padding), constant_values=count)

  def add_batch(total: jax.Array, firsts: jax.Array):
    starts = jnp.minimum(firsts, count - context)
    losses = token_losses(task.apply, params, windows(tokens, starts, context))
    ends = starts[:, None] + jnp.arange(context)[None]  # [n, context]
    new = ends >= firsts[:, None]
    return total + jnp.where(new, losses, 0).sum(), None

  batches = firsts.reshape(-1, batch_size).astype(np.int32)
  total, _ = jax.lax.scan(add_batch, jnp.zeros(()), batches)
  return total / count


def windows(tokens: jax.Array, starts: jax.Array, context: int) -> jax.Array:
  """Returns the `context + 1` tokens from each start, `[n, context + 1]`.

  >>> windows(jnp.arange(9), jnp.array([0, 4]), context=2).tolist()
  [[0, 1, 2], [4, 5, 6]]
  """
  return tokens[starts[:, None] + jnp.arange(context + 1)[None]]


def starts(
  seed: int, first: int, last: int, count: int, context: int, batch: int
) -> np.ndarray:
  """Draws where the windows of the steps from `first` to `last` start.

  A function of the seed and the step, so that a resumed run reads what an
  unbroken one does.

  Args:
    seed: Of the draw.
    first: Steps behind it.
    last: Steps behind it afterwards.
    count: The number of tokens in the text.
    context: As in `windows`.
    batch: Windows in a batch.

  Returns:
    int32 `[last - first, batch]`, uniform over all whole windows.

  Raises:
    ValueError: If the text has no whole window.
  """
  _check_length(count, context)
  return np.stack(
    [
      np.random.Generator(np.random.Philox(key=[seed, step])).integers(
        count - context, size=batch, dtype=np.int32
      )
      for step in range(first, last)
    ]
  )


def _check_length(count: int, context: int) -> None:
  if count <= context:
    raise ValueError(
      f'A text of {count} tokens has no window of `context` + 1 = '
      f'{context + 1}; take a longer text or a shorter context.'
    )
