"""Texts as bytes, in the order in which they were written."""

import hashlib
import itertools
from typing import NamedTuple

import numpy as np

from experiments.data import files
from paramspace import resolve

VOCABULARY = 256  # All bytes, so that every text has the same tokens.
TRAIN, VALIDATION = 0.90, 0.05  # Of the bytes; the rest is the test.


class Text(NamedTuple):
  """A text, cut at two places.

  Attributes:
    train: The first 90%, uint8 `[N]`.
    validation: The next 5%, uint8.
    test: The last 5%, uint8.
    vocabulary: The number of tokens there could be.
    digest: sha256 of the whole, hexadecimal.
  """

  train: np.ndarray
  validation: np.ndarray
  test: np.ndarray
  vocabulary: int
  digest: str


def load(name: str) -> Text:
  """Loads a text by name, as bytes.

  Args:
    name: `'tinyshakespeare'` (1.1 MB of plays) or `'movie_reviews'` (1.2 MB, a
      sentence a line, lower case, favourable and not by turns).

  Returns:
    The text, split by position.

  Raises:
    ValueError: If there is no such text, or a file is damaged.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks a file.
    OSError: If a file had to be downloaded and could not be.

  References:
    Karpathy, 2015, https://karpathy.github.io/2015/05/21/rnn-effectiveness.
    Pang and Lee, 2005, https://arxiv.org/abs/cs/0506075.
  """
  if name not in _READERS:
    raise ValueError(resolve.unknown('text', name, _READERS))
  return split(_READERS[name]())


def split(content: bytes) -> Text:
  """Splits a text by position.

  Args:
    content: All of it.

  Returns:
    The three parts.

  Examples:
    >>> [bytes(part) for part in split(bytes(range(100, 120)))[:3]]
    [b'defghijklmnopqrstu', b'v', b'w']
  """
  tokens = np.frombuffer(content, np.uint8)
  ends = [round(share * len(tokens)) for share in (TRAIN, TRAIN + VALIDATION)]
  return Text(
    *np.split(tokens, ends),
    vocabulary=VOCABULARY,
    digest=hashlib.sha256(content).hexdigest(),
  )


def _tinyshakespeare() -> bytes:
  return files.fetch('tinyshakespeare')['input.txt'].read_bytes()


def _movie_reviews() -> bytes:
  """The lines of two files by turns, so that every part has both kinds."""
  paths = files.fetch('sentence_tasks')
  lines = [
    paths[f'rt-polarity.{kind}'].read_bytes().splitlines(keepends=True)
    for kind in ('pos', 'neg')
  ]
  return b''.join(itertools.chain.from_iterable(zip(*lines, strict=True)))


_READERS = {
  'tinyshakespeare': _tinyshakespeare,
  'movie_reviews': _movie_reviews,
}

NAMES = tuple(_READERS)
