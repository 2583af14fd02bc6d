import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import sentences as data
from experiments.tasks import sentences
from experiments.training import sentences as sentence_training

SIZES = {'train': 60, 'validation': 20, 'test': 30}


@pytest.fixture
def trec(tiny_sentences):
  return sentences.make('trec', tiny_sentences, 24, SIZES)


@pytest.fixture
def encoder(tiny_sentences):
  return sentences.encoder(tiny_sentences, 'params/block_.*')


@pytest.mark.parametrize('name', data.NAMES)
def test_no_task_trains_on_what_any_holds_out(name, tiny_sentences):
  held_out = [
    ''.join(re.findall('[a-z0-9]', text))
    for other in data.NAMES
    for split in ('validation', 'test')
    for texts in getattr(data.load(other), split).texts
    for text in texts
  ]
  train = data.load(name).train
  assert len(train.texts) == len(train.labels) > 0
  joined = ' '.join(
    ''.join(re.findall('[a-z0-9]', t)) for texts in train.texts for t in texts
  )
  assert not any(text in joined for text in held_out)


def test_a_sentence_within_another_tasks_test_is_left_out(
  tiny_sentences, monkeypatch
):
  before = data.load('mr').train
  inside = data.load('sst2').test.texts[0][0]
  whole = data._read('mr')
  texts = [('so ' + inside.replace(' ', ', '),), *whole.train.texts]
  labels = np.concatenate([[0], whole.train.labels])
  more = whole._replace(train=data.Examples(texts, labels))
  read = lambda name, read=data._read: more if name == 'mr' else read(name)
  with monkeypatch.context() as patch:
    patch.setattr(data, '_read', read)
    assert data.load('mr').train.texts == before.texts


def test_splits_have_the_sizes_that_are_published_or_drawn(tiny_sentences):
  sizes = {
    name: [len(part.labels) for part in data.load(name)[1:3]]
    for name in data.NAMES
  }
  assert sizes == {
    'sst2': [60, 60],
    'cola': [500, 30],
    'rte': [30, 30],
    'trec': [500, 30],
    'subj': [500, 1000],
    'mr': [500, 1000],
  }
  assert data.load('trec').classes == 6
  assert all(len(texts) == 2 for texts in data.load('rte').train.texts)


def test_an_unknown_task_gives_the_nearest():
  with pytest.raises(ValueError, match="No task 'sst'; did you mean 'sst2'"):
    data.load('sst')


def test_texts_are_padded_and_cut_to_the_length(tiny_sentences):
  encode = sentences.tokenizer(tiny_sentences, 6)
  tokens = encode([('a b',), ('the rain in spain', 'a'), ('a', 'b')])
  assert tokens.ids.shape == (3, 6)
  assert tokens.mask.sum(1).tolist() == [4, 6, 5]
  assert tokens.ids[0].tolist() == [2, *tokens.ids[0, 1:3].tolist(), 3, 0, 0]
  assert tokens.types[2].tolist() == [0, 0, 0, 1, 1, 0]


def test_to_cut_by_length_changes_no_answer(trec, encoder):
  head = {'kernel': jnp.eye(8, 6), 'bias': jnp.zeros(6)}
  parts = sentences.by_length(trec.train, size=16)
  assert {x.tokens.ids.shape[0] for x in parts} == {16}
  lengths = [x.tokens.ids.shape[1] for x in parts]
  assert lengths == sorted(lengths) and all(n % 8 == 0 for n in lengths)
  found = sentences.Judge(encoder)(encoder.params, head, parts)
  answers = sentences.logits(
    encoder, encoder.params, encoder.frozen, head, trec.train.tokens
  )
  hits = answers.argmax(1) == trec.train.labels
  assert found.accuracy == pytest.approx(float(hits.mean()))
  log = jax.nn.log_softmax(answers)[np.arange(60), trec.train.labels]
  assert found.loss == pytest.approx(-float(log.mean()), rel=1e-5)


def test_what_is_trained_and_what_is_frozen_are_all(tiny_sentences, encoder):
  whole = sentences.encoder(tiny_sentences, '.*')
  assert {**encoder.params, **encoder.frozen}.keys() == whole.params.keys()
  assert not whole.frozen
  assert all(name.startswith('params/block_') for name in encoder.params)


def test_a_head_of_two_classes_reads_the_second(encoder, tiny_sentences):
  task = sentences.make('sst2', tiny_sentences, 24, SIZES)
  head = sentence_training.head(encoder, task, 40)
  assert head['kernel'].shape == (8, 2)
  assert not head['kernel'][:, 0].any() and head['kernel'][:, 1].any()


def test_a_class_that_was_not_seen_is_not_answered(encoder, trec):
  seen = np.flatnonzero(np.asarray(trec.train.labels) != 4)[:12]
  few = trec._replace(train=jax.tree.map(lambda x: x[seen], trec.train))
  head = sentence_training.head(encoder, few, 12)
  answers = sentences.logits(
    encoder, encoder.params, encoder.frozen, head, trec.test.tokens
  )
  assert not (answers.argmax(1) == 4).any()
  assert len(set(itertools.chain(answers.argmax(1).tolist()))) > 1
