import hashlib
import json
import os
import pathlib

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.data import files
from experiments.data import pretrained
from experiments.data import published
from experiments.data import sentences
from experiments.data import sets
from experiments.sentence_finetuning import tuned


@pytest.fixture
def real_data():
  """Loads a published data set, or skips; in CI, where it must be, fails."""

  def load(name):
    root = pathlib.Path(os.environ.get(files.VARIABLE) or files.cache())
    if (root / name).is_dir():
      return sets.load(name)
    reason = f'needs {name} in {root}; set {files.VARIABLE}'
    if os.environ.get('CI') == 'true':
      pytest.fail(reason)
    pytest.skip(reason)

  return load


@pytest.fixture(scope='session')
def tiny_models(tmp_path_factory):
  """A folder of models with a BERT of one block, as transformers writes it."""
  tokenizers = pytest.importorskip('tokenizers')
  root = tmp_path_factory.mktemp('models')
  folder = root / 'all-MiniLM-L6-v2'
  folder.mkdir()
  (folder / 'config.json').write_text(json.dumps(TINY))
  rng = np.random.default_rng(0)
  leaves = {
    name: rng.normal(0, 0.3, shape).astype(np.float32)
    for name, shape in tiny_shapes().items()
  }
  leaves['embeddings.position_ids'] = np.arange(96)[None]
  leaves['pooler.dense.bias'] = np.zeros(8, np.float32)
  save_file(leaves, folder / 'model.safetensors')
  words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', *'etaoinshrdlucmfwypvbgkjqxz']
  words += [f'##{letter}' for letter in 'etaoinshrdlucmfwypvbgkjqxz']
  model = tokenizers.models.WordPiece(
    {w: i for i, w in enumerate(words)}, unk_token='[UNK]'
  )
  reader = tokenizers.Tokenizer(model)
  reader.normalizer = tokenizers.normalizers.BertNormalizer()
  reader.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
  reader.post_processor = tokenizers.processors.BertProcessing(
    ('[SEP]', 3), ('[CLS]', 2)
  )
  reader.save(str(folder / 'tokenizer.json'))
  return root


TINY = {
  'model_type': 'bert',
  'vocab_size': 56,
  'num_hidden_layers': 1,
  'hidden_size': 8,
  'num_attention_heads': 2,
  'intermediate_size': 12,
  'max_position_embeddings': 96,
  'type_vocab_size': 2,
  'layer_norm_eps': 1e-12,
}


def tiny_shapes():
  """Names and shapes as transformers has them, kernels `[out, in]`."""
  width, hidden = TINY['hidden_size'], TINY['intermediate_size']
  shapes = {
    'embeddings.word_embeddings.weight': (TINY['vocab_size'], width),
    'embeddings.position_embeddings.weight': (96, width),
    'embeddings.token_type_embeddings.weight': (2, width),
    'embeddings.LayerNorm.weight': (width,),
    'embeddings.LayerNorm.bias': (width,),
  }
  layers = {
    'attention.self.query': (width, width),
    'attention.self.key': (width, width),
    'attention.self.value': (width, width),
    'attention.output.dense': (width, width),
    'attention.output.LayerNorm': (width,),
    'intermediate.dense': (hidden, width),
    'output.dense': (width, hidden),
    'output.LayerNorm': (width,),
  }
  for i in range(TINY['num_hidden_layers']):
    for name, shape in layers.items():
      shapes[f'encoder.layer.{i}.{name}.weight'] = shape
      shapes[f'encoder.layer.{i}.{name}.bias'] = shape[:1]
  return shapes


@pytest.fixture(scope='session')
def tiny_texts(tmp_path_factory):
  """A folder of data with a few sentences of every task, and their sums."""
  root = tmp_path_factory.mktemp('data')
  rng = np.random.default_rng(0)
  letters = np.array(list('etaoinshrdlu '))
  # Long enough that no two share a piece by chance.
  text = lambda: ''.join(rng.choice(letters, 60)).strip()
  some = lambda count: [text() for _ in range(count)]
  labelled = lambda n: [f'{s}\t{i % 2}' for i, s in enumerate(some(n))]
  cola = lambda n: [f'x\t{i % 2}\t\t{s}' for i, s in enumerate(some(n))]
  sides = ('entailment', 'not_entailment')
  rte = lambda n: (
    ['index\tsentence1\tsentence2\tlabel']
    + [f'{i}\t{text()}\t{text()}\t{sides[i % 2]}' for i in range(n)]
  )
  kinds = ('ABBR', 'DESC', 'ENTY', 'HUM', 'LOC', 'NUM')
  trec = lambda n: [f'{kinds[i % 6]}:x {s}' for i, s in enumerate(some(n))]
  content = {
    'sst2': {f'{p}.tsv': labelled(60) for p in ('train', 'dev', 'test')},
    'cola': {
      'in_domain_train.tsv': cola(560),
      'in_domain_dev.tsv': cola(30),
      'out_of_domain_dev.tsv': cola(10),
    },
    'rte': {'train.tsv': rte(90), 'dev.tsv': rte(30)},
    'sentence_tasks': {
      'TREC.train': trec(560),
      'TREC.test': trec(30),
      **{
        name: some(800)
        for name in (
          'rt-polarity.neg',
          'rt-polarity.pos',
          'subj.objective',
          'subj.subjective',
        )
      },
    },
  }
  releases = {}
  for name, files_ in content.items():
    (root / name).mkdir()
    sums = {}
    for file, lines in files_.items():
      written = '\n'.join(lines).encode() + b'\n'
      (root / name / file).write_bytes(written)
      sums[file] = hashlib.sha256(written).hexdigest()
    releases[name] = published.Release(sums, ())
  return root, releases


@pytest.fixture
def tiny_sentences(tiny_models, tiny_texts, monkeypatch):
  """The six tasks and the encoder, so small that a study takes seconds."""
  root, releases = tiny_texts
  monkeypatch.setenv(files.VARIABLE, str(root))
  monkeypatch.setenv(pretrained.VARIABLE, str(tiny_models))
  for name, release in releases.items():
    monkeypatch.setitem(published.RELEASES, name, release)
  forget()
  yield tiny_models / 'all-MiniLM-L6-v2'
  forget()


def forget():
  """What was read of other files is no longer true."""
  sentences._read.cache_clear()
  sentences._held_out.cache_clear()
  tuned._bench.cache_clear()
