import hashlib
import os
import pathlib

import numpy as np
import pytest

from experiments.data import files
from experiments.data import published
from experiments.data import text


def test_a_text_is_split_by_position():
  content = bytes(
    np.random.default_rng(0).integers(256, size=1_000, dtype='u1')
  )
  found = text.split(content)
  assert b''.join(bytes(part) for part in found[:3]) == content
  assert [len(part) for part in found[:3]] == [900, 50, 50]
  assert found.train.dtype == np.uint8
  assert found.vocabulary == 256
  assert found.digest == hashlib.sha256(content).hexdigest()


@pytest.fixture
def given(monkeypatch, tmp_path):
  """Puts files in place of those of a release."""

  def put(name, contents):
    sums = {}
    (tmp_path / name).mkdir()
    for file, content in contents.items():
      (tmp_path / name / file).write_bytes(content)
      sums[file] = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(published.RELEASES, name, published.Release(sums, ()))
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))

  return put


def test_reviews_of_both_kinds_come_by_turns(given):
  good, bad = b'good\x85 1\ngood 2\n', b'bad 1\nbad 2\n'
  given('sentence_tasks', {'rt-polarity.pos': good, 'rt-polarity.neg': bad})
  found = text.load('movie_reviews')
  whole = b''.join(bytes(part) for part in found[:3])
  assert whole == b'good\x85 1\nbad 1\ngood 2\nbad 2\n'


def test_an_unknown_text_gives_the_nearest():
  with pytest.raises(ValueError, match="'shakespeare'; did you mean 'tinysh"):
    text.load('shakespeare')


def test_a_text_that_is_not_there_is_named(monkeypatch, tmp_path):
  monkeypatch.setenv(files.VARIABLE, str(tmp_path))
  with pytest.raises(FileNotFoundError, match=r'sentence_tasks/rt-polarity'):
    text.load('movie_reviews')


@pytest.mark.parametrize(
  ('name', 'folder', 'size', 'first', 'digest'),
  [
    (
      'tinyshakespeare',
      'tinyshakespeare',
      1_115_394,
      b'First Citizen:\n',
      '86c4e6aa9db7c042',
    ),
    (
      'movie_reviews',
      'sentence_tasks',
      1_238_395,
      b'the rock is destined',
      '325f9276e42040c8',
    ),
  ],
)
def test_published_texts_are_what_they_should_be(
  name, folder, size, first, digest
):
  root = pathlib.Path(os.environ.get(files.VARIABLE) or files.cache())
  if not (root / folder).is_dir():
    reason = f'needs {folder} in {root}; set {files.VARIABLE}'
    skip = pytest.fail if os.environ.get('CI') == 'true' else pytest.skip
    skip(reason)
  found = text.load(name)
  assert sum(len(part) for part in found[:3]) == size
  assert bytes(found.train).startswith(first)
  assert found.digest.startswith(digest)
