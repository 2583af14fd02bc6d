"""Tasks on sentences, all with one encoder and each with a head of its own."""

import os
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.data import sentences as data
from experiments.models import bert
from experiments.tasks import evaluation
from paramspace import base
from paramspace import trees


class Encoder(NamedTuple):
  """A pretrained encoder, of which a part is trained.

  Attributes:
    params: The leaves that are trained, by name.
    frozen: The others, by name; an argument of what is compiled.
    embed: `(params, frozen, tokens) -> [n, width]`, the mean state of the
      tokens of each text.
  """

  params: base.Params
  frozen: base.Params
  embed: Callable[[base.Params, base.Params, bert.Tokens], jax.Array]


class Split(NamedTuple):
  """Labelled texts, on the device.

  Attributes:
    tokens: The texts, `[N, t]` in every leaf.
    labels: int32 `[N]`.
  """

  tokens: bert.Tokens
  labels: jax.Array


class Task(NamedTuple):
  """A task, read as tokens.

  Attributes:
    name: Its name.
    classes: The number of classes.
    digest: sha256 of what was published.
    train: What to train on.
    validation: What to choose by.
    test: What to report.
  """

  name: str
  classes: int
  digest: str
  train: Split
  validation: Split
  test: Split


def encoder(folder: str | os.PathLike[str], trained: str) -> Encoder:
  """Reads an encoder.

  Args:
    folder: As in `bert.bert`.
    trained: A regular expression of the names of leaves that are trained.

  Returns:
    The encoder.

  Raises:
    ValueError: If no leaf matches, or as `bert.bert` does.
  """
  module, params = bert.bert(folder)
  leaves = trees.named(params)
  names = set(trees.match(params, trained))

  def embed(params, frozen, tokens):
    variables = trees.nested({**params, **frozen})
    return bert.pool(module.apply(variables, tokens), tokens.mask)

  return Encoder(
    {n: x for n, x in leaves.items() if n in names},
    {n: x for n, x in leaves.items() if n not in names},
    embed,
  )


def make(
  name: str,
  folder: str | os.PathLike[str],
  length: int,
  most: Mapping[str, int | None],
) -> Task:
  """Reads a task.

  Args:
    name: As in `data.load`.
    folder: That of the encoder, with its tokenizer.
    length: Tokens of a text; longer ones are cut, of a pair the longer text.
    most: How many examples of each split there are at most, None for all.

  Returns:
    The task.

  Raises:
    ValueError: If there is no such task, or as `data.load` does.
    OSError: As `data.load`.
  """
  content = data.load(name)
  encode = tokenizer(folder, length)

  def read(split: str) -> Split:
    texts, labels = getattr(content, split)
    count = most[split]
    return Split(encode(texts[:count]), jnp.asarray(labels[:count]))

  return Task(
    name=name,
    classes=content.classes,
    digest=content.digest,
    train=read('train'),
    validation=read('validation'),
    test=read('test'),
  )


def tokenizer(
  folder: str | os.PathLike[str], length: int
) -> Callable[[list[tuple[str, ...]]], bert.Tokens]:
  """Reads a tokenizer.

  Args:
    folder: It holds `tokenizer.json`.
    length: Tokens of a text.

  Returns:
    A function from texts, `(text,)` or `(first, second)` each, to tokens.

  Raises:
    OSError: If the package `tokenizers` is not installed.
    FileNotFoundError: If the file is missing.
  """
  try:
    import tokenizers
  except ImportError as e:
    raise OSError(
      "Texts are read with tokenizers: pip install 'paramspace[text]'."
    ) from e
  path = pathlib.Path(folder, 'tokenizer.json')
  if not path.is_file():
    raise FileNotFoundError(f'{path} does not exist; it comes with the model.')
  # Its own parallel threads would be those of a process that has been forked.
  os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
  reader = tokenizers.Tokenizer.from_file(str(path))
  reader.enable_truncation(length)
  reader.enable_padding(length=length)

  def encode(texts: list[tuple[str, ...]]) -> bert.Tokens:
    read = reader.encode_batch([t if len(t) > 1 else t[0] for t in texts])
    column = lambda f, dtype: jnp.asarray(np.array([f(x) for x in read], dtype))
    return bert.Tokens(
      column(lambda x: x.ids, np.int32),
      column(lambda x: x.type_ids, np.int32),
      column(lambda x: x.attention_mask, bool),
    )

  return encode


def logits(
  encoder: Encoder,
  params: base.Params,
  frozen: base.Params,
  head: base.Params,
  tokens: bert.Tokens,
) -> jax.Array:
  """Returns a task's logits, `[n, classes]`.

  Args:
    encoder: Whose `embed`.
    params: As `encoder.params`.
    frozen: As `encoder.frozen`.
    head: `{'kernel': [width, classes], 'bias': [classes]}`.
    tokens: The texts.
  """
  return _answers(encoder.embed(params, frozen, tokens), head)


class Judge:
  """Evaluates encoders; compiled once for each length of texts."""

  def __init__(self, encoder: Encoder):
    """Compiles nothing yet.

    Args:
      encoder: Whose function and frozen part.
    """
    self._frozen = encoder.frozen
    self._embed = jax.jit(encoder.embed)

  def __call__(
    self, params: base.Params, head: base.Params, parts: tuple[Split, ...]
  ) -> evaluation.Evaluation:
    """Returns means over some texts.

    Args:
      params: As `encoder.params`.
      head: As in `logits`.
      parts: From `by_length`.
    """
    sums = [
      _judge(self._embed(params, self._frozen, p.tokens), head, p.labels)
      for p in parts
    ]
    loss, hits, count = (float(sum(x)) for x in zip(*sums, strict=True))
    return evaluation.Evaluation(loss / count, hits / count)


def by_length(split: Split, size: int = 32, step: int = 8) -> tuple[Split, ...]:
  """Cuts a split into parts of texts of about one length, with less padding.

  Args:
    split: Texts and labels.
    size: Texts of a part; the last repeats one, with labels of -1.
    step: Lengths are its multiples, so that few programs are compiled.

  Returns:
    The parts, the shortest texts first.
  """
  mask = np.asarray(split.tokens.mask)
  order = np.argsort(mask.sum(axis=1), kind='stable')
  found = []
  for first in range(0, len(order), size):
    at = order[first : first + size]
    longest = min(-(-mask[at[-1]].sum() // step) * step, mask.shape[1])
    missing = size - len(at)
    rows = np.pad(at, (0, missing), mode='edge')
    tokens = bert.Tokens(*(x[rows, :longest] for x in split.tokens))
    labels = np.pad(
      np.asarray(split.labels)[at], (0, missing), constant_values=-1
    )
    found.append(Split(tokens, jnp.asarray(labels)))
  return tuple(found)


@jax.jit
def _judge(
  states: jax.Array, head: base.Params, labels: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Returns sums of losses, of right answers and of texts."""
  answers = _answers(states, head)
  losses = optax.softmax_cross_entropy_with_integer_labels(
    answers, jnp.maximum(labels, 0)
  )
  hits = answers.argmax(-1) == labels
  total = lambda x: jnp.where(labels >= 0, x.astype(losses.dtype), 0).sum()
  return total(losses), total(hits), total(jnp.ones_like(labels))


def _answers(states: jax.Array, head: base.Params) -> jax.Array:
  return states @ head['kernel'] + head['bias'][None]
