"""Tasks on sentences, as their publishers split and label them."""

import functools
import hashlib
import itertools
import pathlib
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.data import files
from paramspace import resolve

HELD_OUT = 500  # Examples that are validated with, where no others are given.
TEST = 1_000  # And tested on.
WINDOW = 30  # Letters that two sentences do not share by chance.


class Examples(NamedTuple):
  """Labelled sentences, or pairs of them.

  Attributes:
    texts: `(sentence,)` or `(first, second)` of each example.
    labels: int32 `[N]`.
  """

  texts: list[tuple[str, ...]]
  labels: np.ndarray


class Sentences(NamedTuple):
  """A task.

  Attributes:
    train: What to train on: no sentence is in the validation or the test of
      this task or another, nor a part of one.
    validation: What to choose by.
    test: What to report.
    classes: The number of classes.
    digest: sha256 of all that was published.
  """

  train: Examples
  validation: Examples
  test: Examples
  classes: int
  digest: str


def load(name: str) -> Sentences:
  """Loads a task by name.

  Sentences come from the same film reviews in SST-2, MR and Subj, so what one
  task holds out is taken from the training sets of all.

  Args:
    name: `'sst2'` (sentiment), `'cola'` (grammar), `'rte'` (entailment of
      pairs), `'trec'` (questions), `'subj'` (subjectivity) or `'mr'`
      (sentiment).

  Returns:
    The task. SST-2 has the published splits. Of CoLA and RTE the dev set is the
    test, that within the domain; of TREC the test set is. Where no split is
    published, one is drawn, always the same.

  Raises:
    ValueError: If there is no such task, or a file is damaged.
    FileNotFoundError: If `$PARAMSPACE_DATA` is set and lacks a file.
    OSError: If a file had to be downloaded and could not be.

  References:
    Socher et al, 2013, Recursive deep models for semantic compositionality.
    Warstadt et al, 2018, https://arxiv.org/abs/1805.12471. Dagan et al, 2005,
    The PASCAL recognising textual entailment challenge. Li and Roth, 2002,
    Learning question classifiers. Pang and Lee, 2004 and 2005,
    https://arxiv.org/abs/cs/0409058, https://arxiv.org/abs/cs/0506075.
  """
  if name not in _READERS:
    raise ValueError(resolve.unknown('task', name, _READERS))
  task = _read(name)
  everywhere = _held_out()
  kept = [
    i
    for i, texts in enumerate(task.train.texts)
    if everywhere.isdisjoint(_windows(texts, WINDOW // 2))
  ]
  train = Examples([task.train.texts[i] for i in kept], task.train.labels[kept])
  return task._replace(train=train)


@functools.cache
def _read(name: str) -> Sentences:
  parts, classes, paths = _READERS[name]()
  digest = hashlib.sha256()
  for path in paths:
    digest.update(path.read_bytes())
  return Sentences(*parts, classes, digest.hexdigest())


@functools.cache
def _held_out() -> set[str]:
  """Returns what is in a sentence that some task holds out."""
  texts = itertools.chain.from_iterable(
    part.texts
    for name in _READERS
    for part in (_read(name).validation, _read(name).test)
  )
  return set(itertools.chain.from_iterable(_windows(t, 1) for t in texts))


def _windows(texts: Iterable[str], stride: int) -> Iterator[str]:
  """Yields pieces of each text's letters and digits, or all of a short one.

  With a stride of 1 on one side and half a window on the other, texts that
  share one and a half windows share a piece.
  """
  for text in texts:
    letters = re.sub(r'[^a-z0-9]', '', text.lower())
    for start in range(0, max(len(letters) - WINDOW, 0) + 1, stride):
      yield letters[start : start + WINDOW]


_Read = tuple[tuple[Examples, Examples, Examples], int, Sequence[pathlib.Path]]


def _sst2() -> _Read:
  paths = files.fetch('sst2')
  parts = [
    _examples(_rows(paths[f'{part}.tsv'])) for part in ('train', 'dev', 'test')
  ]
  return tuple(parts), 2, [*paths.values()]


def _cola() -> _Read:
  paths = files.fetch('cola')
  read = lambda file: _examples((r[3], r[1]) for r in _rows(paths[file]))
  train, validation = _drawn(read('in_domain_train.tsv'), HELD_OUT)
  test = read('in_domain_dev.tsv')
  return (train, validation, test), 2, [*paths.values()]


def _rte() -> _Read:
  paths = files.fetch('rte')
  read = lambda file: _examples(
    (r[1], r[2], int(r[3] == 'entailment')) for r in _rows(paths[file])[1:]
  )
  test = read('dev.tsv')
  train, validation = _drawn(read('train.tsv'), len(test.labels))
  return (train, validation, test), 2, [*paths.values()]


def _trec() -> _Read:
  paths = files.fetch('sentence_tasks')
  paths = [paths[file] for file in ('TREC.train', 'TREC.test')]
  rows = [[_question(line) for line in _lines(path)] for path in paths]
  kinds = sorted({kind for _, kind in rows[0]})
  train, test = (
    _examples((text, kinds.index(kind)) for text, kind in part) for part in rows
  )
  train, validation = _drawn(train, HELD_OUT)
  return (train, validation, test), len(kinds), paths


def _question(line: str) -> tuple[str, str]:
  """Returns a question, and the first part of its label.

  >>> _question('NUM:date When did it begin ?')
  ('When did it begin ?', 'NUM')
  """
  label, text = line.split(' ', 1)
  return text, label.split(':')[0]


def _halves(*names: str) -> Callable[[], _Read]:
  """Reads a task with a file for each class, and no split."""

  def read() -> _Read:
    paths = files.fetch('sentence_tasks')
    paths = [paths[name] for name in names]
    whole = _examples(
      (line, label) for label, path in enumerate(paths) for line in _lines(path)
    )
    rest, test = _drawn(whole, TEST)
    train, validation = _drawn(rest, HELD_OUT)
    return (train, validation, test), len(names), paths

  return read


def _examples(rows: Iterable[tuple]) -> Examples:
  rows = list(rows)
  labels = np.array([int(row[-1]) for row in rows], np.int32)
  return Examples([tuple(row[:-1]) for row in rows], labels)


def _drawn(examples: Examples, count: int) -> tuple[Examples, Examples]:
  """Returns two parts: what is left, and `count` at random, in fixed order."""
  order = np.random.default_rng(0).permutation(len(examples.labels))
  take = lambda at: Examples(
    [examples.texts[i] for i in at], examples.labels[at]
  )
  return take(order[count:]), take(order[:count])


def _rows(path: pathlib.Path) -> list[list[str]]:
  lines = path.read_text(encoding='utf-8').splitlines()
  return [line.split('\t') for line in lines]


def _lines(path: pathlib.Path) -> list[str]:
  """Returns lines of files that were written before UTF-8 was usual."""
  return path.read_text(encoding='latin-1').strip().split('\n')


_READERS = {
  'sst2': _sst2,
  'cola': _cola,
  'rte': _rte,
  'trec': _trec,
  'subj': _halves('subj.objective', 'subj.subjective'),
  'mr': _halves('rt-polarity.neg', 'rt-polarity.pos'),
}

NAMES = tuple(_READERS)
