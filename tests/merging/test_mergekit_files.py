"""mergekit's recipe files: what they mean here, and what it makes of them."""

import importlib.util
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import yaml

from experiments.benchmarks.merge_files import checkpoints
from paramspace import merging
from paramspace.files import lazy
from paramspace.files import safetensors
from paramspace.merging import recipe_files

SHAPE = checkpoints.Shape(16, layers=3, mlp=16, vocabulary=16, heads=2)
MODELS = ('math', 'code', 'chat')
EACH = {'math': (0.7, 0.5), 'code': (0.4, 0.3), 'chat': (-0.2, 0.8)}

with_peer = pytest.mark.skipif(
  importlib.util.find_spec('mergekit') is None,
  reason='needs mergekit, a benchmark extra',
)


def weighted(**others):
  """The three models, each with its weight, its density, and `others`."""
  return [
    {
      'model': name,
      'parameters': {'weight': weight, 'density': density, **others},
    }
    for name, (weight, density) in EACH.items()
  ]


def page(method, models=None, base='base', **others):
  found = {'merge_method': method, 'models': models or weighted(), **others}
  found |= {'base_model': base} if base else {}
  return {'dtype': 'float32', **found}


def cut(*sources, **parameters):
  """A slice of (model, first, end), with its parameters."""
  listed = [
    {'model': model, 'layer_range': [first, end]}
    for model, first, end in sources
  ]
  return {'sources': listed} | (
    {'parameters': parameters} if parameters else {}
  )


SIMPLE = [{'model': name, 'parameters': {'weight': 1}} for name in MODELS]
PLAIN = [{'model': name} for name in MODELS]
GRADED = [
  {
    'model': 'math',
    'parameters': {
      'weight': [{'filter': 'mlp', 'value': [0.5, 0]}, {'value': 1}],
      'density': [1, 0.7, 0.1],
    },
  },
  {'model': 'code', 'parameters': {'density': 0.5, 'weight': [0, 0.3, 0.7, 1]}},
]
SLERP_T = [
  {'filter': 'self_attn', 'value': [0, 0.5, 0.3, 0.7, 1]},
  {'filter': 'mlp', 'value': [1, 0.5, 0.7, 0.3, 0]},
  {'value': 0.5},
]

# Pages by name, of which both results are the same.
SAME = {
  'linear': page('linear', base=None),
  'linear_sum': page('linear', base=None, parameters={'normalize': False}),
  'linear_base': page(
    'linear', [{'model': 'math'}], parameters={'weight': 0.5}
  ),
  'task_arithmetic': page('task_arithmetic', parameters={'lambda': 0.6}),
  'task_arithmetic_mean': page(
    'task_arithmetic', parameters={'normalize': True}
  ),
  'ties': page('ties', parameters={'lambda': 1.3, 'int8_mask': True}),
  'ties_sum': page('ties', parameters={'normalize': False}),
  'ties_graded': page('ties', GRADED),
  'ties_lambda': page(
    'ties',
    parameters={'lambda': [{'filter': 'norm', 'value': 0.1}, {'value': 1}]},
  ),
  'breadcrumbs': page('breadcrumbs', weighted(gamma=0.05)),
  'breadcrumbs_ties': page('breadcrumbs_ties', weighted(gamma=0.05)),
  'model_stock': page('model_stock', PLAIN),
  'slerp': page('slerp', [{'model': 'math'}], parameters={'t': SLERP_T}),
  'nuslerp': page('nuslerp', weighted()[:2], parameters={'lambda': 1.0}),
  'nuslerp_weights': page('nuslerp', weighted()[:2], base=None),
  'multislerp': page('multislerp', weighted()),
  'karcher': page('karcher', PLAIN, base=None),
  'sce': page('sce', PLAIN, parameters={'select_topk': 1.0}),
  'passthrough': {
    'merge_method': 'passthrough',
    'dtype': 'float32',
    'slices': [
      cut(('math', 0, 2)),
      cut(
        ('code', 1, 3), scale=[{'filter': 'o_proj', 'value': 0}, {'value': 1}]
      ),
      cut(('chat', 2, 3)),
    ],
  },
  'slices': {
    'merge_method': 'slerp',
    'base_model': 'base',
    'dtype': 'float32',
    'slices': [
      cut(('base', 0, 1), ('math', 1, 2)),
      cut(('base', 1, 3), ('code', 1, 3), t=[0.1, 0.9]),
    ],
    'parameters': {'t': SLERP_T},
  },
}

RUN = """
import pathlib, sys, warnings
import yaml
from mergekit import config, merge, options
for path in sorted(pathlib.Path('pages').glob('*.yaml')):
  page = yaml.safe_load(path.read_text())
  read = config.MergeConfiguration.model_validate(page)
  chosen = options.MergeOptions(
    quiet=True, copy_tokenizer=False, write_model_card=False
  )
  merge.run_merge(read, str(pathlib.Path('out', path.stem)), chosen)
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('mergekit')
  checkpoints.write(path, SHAPE, MODELS, 'float32')
  (path / 'pages').mkdir()
  for name, content in SAME.items():
    (path / 'pages' / f'{name}.yaml').write_text(yaml.dump(content))
  return path


@pytest.fixture
def read(folder, monkeypatch):
  monkeypatch.chdir(folder)

  def read(content, **kwargs):
    (folder / 'page.yaml').write_text(yaml.dump(content, sort_keys=False))
    return recipe_files.read(folder / 'page.yaml', **kwargs)

  return read


@pytest.fixture(scope='module')
def theirs(folder):
  """What mergekit makes of the pages, by name."""
  subprocess.run([sys.executable, '-c', RUN], cwd=folder, check=True)
  return {name: lazy.open(folder / 'out' / name) for name in SAME}


def run(plan, out):
  """The plan, carried out."""
  key = None if plan.seed is None else jax.random.key(plan.seed)
  merging.merge_files(
    plan.base,
    plan.models,
    out,
    plan.recipe,
    weights=plan.weights,
    key=key,
    beside=plan.beside,
  )
  return lazy.open(out)


@with_peer
@pytest.mark.parametrize('name', SAME)
def test_the_result_is_that_of_mergekit(name, read, theirs, tmp_path):
  got, expected = run(read(SAME[name]), tmp_path / 'out'), theirs[name]
  assert got.leaves.keys() == expected.leaves.keys()
  for leaf in got.leaves:
    a, b = got.read(leaf), expected.read(leaf)
    np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
  a, b = (
    json.loads((tree.path / 'config.json').read_text())
    for tree in (got, expected)
  )
  assert a['num_hidden_layers'] == b['num_hidden_layers']


def test_one_setting_for_all_is_a_recipe_of_the_library(read):
  models = [
    {'model': name, 'parameters': {'weight': 1, 'density': 0.2}}
    for name in MODELS
  ]
  plan = read(page('ties', models))
  assert merging.dumps(plan.recipe) == merging.dumps(
    merging.ties(0.2, compat='mergekit')
  )
  assert plan.weights == dict.fromkeys(MODELS, 1)
  assert plan.out_dtype == 'float32' and not plan.beside
  plan = read(page('dare_ties', models))
  assert merging.dumps(plan.recipe) == merging.dumps(
    merging.dare_ties(0.8, reduce='sum', compat='mergekit', rescale='l1')
  )
  assert plan.seed == 0 and read(page('dare_ties', models), seed=5).seed == 5


@pytest.mark.parametrize('method', ['dare_ties', 'dare_linear', 'della'])
def test_each_model_keeps_its_own_density(method, read):
  each = {'math': 0.9, 'code': 0.2}
  models = [
    {'model': n, 'parameters': {'weight': 1, 'density': d, 'epsilon': 0.05}}
    for n, d in each.items()
  ]
  if method != 'della':
    for entry in models:
      del entry['parameters']['epsilon']
  plan = read(page(method, models))
  key, leaf = jax.random.key(1), 'lm_head/weight'
  for name, density in each.items():
    moved = {leaf: np.ones((64, 32), np.float32)}
    kept = np.mean(np.asarray(plan.recipe.prune[name](key, moved)[leaf]) != 0)
    np.testing.assert_allclose(kept, density, atol=0.06)


def test_layers_are_renumbered_and_the_rest_comes_from_the_ends(read):
  plan = read(SAME['passthrough'])
  (model,) = plan.models.values()
  assert json.loads(plan.beside['config.json'])['num_hidden_layers'] == 5
  math, code, chat = (lazy.open(name) for name in MODELS)
  up = 'model/layers/{}/mlp/up_proj/weight'.format
  parts = [(math, 0), (math, 1), (code, 1), (code, 2), (chat, 2)]
  for out, (tree, layer) in enumerate(parts):
    np.testing.assert_array_equal(model.read(up(out)), tree.read(up(layer)))
  ends = {'model/embed_tokens/weight': math, 'model/norm/weight': chat}
  for name, tree in ends.items():
    np.testing.assert_array_equal(model.read(name), tree.read(name))
  assert model.stored(up(4)) == 'model.layers.4.mlp.up_proj.weight'


def test_one_tokenizer_is_any_of_them_and_others_are_refused(read, folder):
  content = page('linear', SIMPLE, base=None, tokenizer_source='union')
  paths = [folder / name / 'tokenizer.json' for name in MODELS]
  try:
    for path in paths:
      path.write_text('{}')
    assert sorted(read(content).models) == sorted(MODELS)
    paths[1].write_text('{"added": 1}')
    with pytest.raises(ValueError, match=r'tokenizer\.json of code is not'):
      read(content)
  finally:
    for path in paths:
      path.unlink()


@pytest.fixture
def config(folder):
  """The text of a config.json that a test may change."""
  path = folder / 'math' / 'config.json'
  before = path.read_text()
  yield path
  path.write_text(before)


def test_what_a_config_says_of_each_layer_is_to_be_mended(read, config):
  content = json.loads(config.read_text()) | {'layer_types': ['full'] * 3}
  config.write_text(json.dumps(content))
  plan = read(SAME['passthrough'])
  assert any('layer_types has one entry' in note for note in plan.notes)
  assert 'config.json: num_hidden_layers is 5.' in plan.notes


def test_a_config_without_layers_is_noted_and_a_broken_one_refused(
  read, config
):
  config.write_text('{"hidden_size": 16}')
  plan = read(SAME['passthrough'])
  assert not plan.beside
  assert any('does not say how many layers' in note for note in plan.notes)
  config.write_text('[1]')
  with pytest.raises(ValueError, match='is no JSON object'):
    read(SAME['passthrough'])


def test_layers_of_one_file_and_of_shards_make_one_model(
  read, folder, tmp_path
):
  tree = lazy.open(folder / 'code')
  whole = {tree.stored(name): tree.read(name) for name in tree.leaves}
  (folder / 'single').mkdir(exist_ok=True)
  safetensors.save(folder / 'single' / 'model.safetensors', whole)
  slices = [cut(('single', 0, 1)), cut(('math', 1, 3))]
  plan = read({'merge_method': 'passthrough', 'slices': slices})
  out = run(plan, tmp_path / 'out')
  assert out.leaves.keys() == tree.leaves.keys()
  assert not (tmp_path / 'out' / 'model.safetensors').exists()
  name = 'model/layers/0/mlp/up_proj/weight'
  np.testing.assert_array_equal(out.read(name), tree.read(name))


def test_what_differs_from_mergekit_is_noted(read):
  content = page('dare_ties', dtype='bfloat16')
  content['parameters'] = {
    'gamma': 0.1,
    'lambda': [{'filter': 'lm_haed', 'value': 2}, {'value': 1}],
  }
  notes = '\n'.join(read(content).notes)
  for text in (
    'computed in float32',
    'What is drawn is not',
    'gamma has no effect on dare_ties',
    "no leaf has 'lm_haed' in its name",
  ):
    assert text in notes
  assert not read(page('linear', SIMPLE, base=None)).notes


TOKENIZER = {
  'model': {'type': 'WordLevel', 'vocab': {f'<{i}>': i for i in range(12)}},
  'added_tokens': [{'content': '<pad>', 'id': 12}, {'content': '<0>', 'id': 0}],
}


@pytest.mark.parametrize(
  ('given', 'rows'),
  [
    ({'tokenizer_source': 'base'}, 13),
    ({'tokenizer': {'source': 'base'}}, 13),
    ({'tokenizer': {'source': 'union', 'pad_to_multiple_of': 5}}, 15),
    ({'tokenizer': {'source': 'base', 'pad_to_multiple_of': 20}}, 20),
  ],
)
def test_embeddings_have_a_row_for_each_token_and_their_mean(
  read, folder, given, rows
):
  paths = [folder / name / 'tokenizer.json' for name in ('base', *MODELS)]
  try:
    for path in paths:
      path.write_text(json.dumps(TOKENIZER))
    plan = read(page('ties', **given))
  finally:
    for path in paths:
      path.unlink()
  for name in ('model/embed_tokens/weight', 'lm_head/weight'):
    tree = plan.models['math']
    assert tree.leaves[name].shape == (rows, SHAPE.hidden)
    before = lazy.open(folder / 'math').read(name)[:13]
    np.testing.assert_array_equal(tree.read(name)[:13], before)
    means = np.tile(before.mean(0), (rows - 13, 1))
    np.testing.assert_allclose(tree.read(name)[13:], means, rtol=1e-5)
  assert json.loads(plan.beside['config.json'])['vocab_size'] == rows
  assert recipe_files.preflight(plan) == []


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'merge_method': 'tise'}, "no 'tise'; the nearest is 'ties'"),
    ({'merge_method': 'nearswap'}, "merge_method 'nearswap' is not supported"),
    ({'merge_metod': 'x'}, "no 'merge_metod'; the nearest is 'merge_method'"),
    ({'tokenizer': {'source': 'base'}}, 'tokenizer: no model has a tokenizer'),
    ({'tokenizer': {'sorce': 'base'}}, "the nearest is 'source'"),
    ({'tokenizer': {'tokens': {}}}, "'tokens' is not supported"),
    (
      {'tokenizer': {'pad_to_multiple_of': 0}},
      'pad_to_multiple_of is a number of rows, got 0',
    ),
    (
      {'tokenizer': {'source': 'base'}, 'tokenizer_source': 'base'},
      'either `tokenizer` or `tokenizer_source`',
    ),
    (
      {'tokenizer_source': 'union', 'models': SIMPLE},
      'tokenizer_source: no model has a tokenizer',
    ),
    ({'modules': {}, 'models': None}, "'modules' is not supported"),
    ({'chat_template': 'auto'}, "'chat_template' is not supported"),
    ({'slices': []}, 'either `models` or `slices`'),
    ({'dtype': 'bf16'}, "the nearest is 'bfloat16'"),
    ({'base_model': None}, 'ties needs a `base_model`'),
    ({'base_model': 'base@main'}, 'names a revision'),
    ({'base_model': 'org/model'}, 'must be downloaded first'),
    ({'models': [{'model': 'math+lora'}]}, 'there is no lora'),
    ({'models': [{'model': 'math+a+b'}]}, 'a model, or a model+adapter'),
    ({'models': [{'model': 'math'}] * 2}, "models names 'math' twice"),
    ({'models': [{'modle': 'math'}]}, "the nearest is 'model'"),
    ({'models': [{'model': 'math'}]}, "ties needs the parameter 'weight' of m"),
    ({'parameters': {'densty': 1}}, "no 'densty'; the nearest is 'density'"),
    ({'parameters': {'rescale': True}}, 'rescale True is not supported, only'),
    (
      {'parameters': {'lambda': 'x'}},
      "lambda must be a finite number, got 'x'",
    ),
    ({'parameters': {'lambda': []}}, 'lambda has no value'),
    ({'parameters': {'lambda': [{'valeu': 1}]}}, "the nearest is 'value'"),
    ({'parameters': {'normalize': 1}}, 'normalize must be true or false'),
    ({'parameters': {'density': 1.5}}, 'must lie in [0, 1]'),
    (
      {'models': [{'model': 'math', 'parameters': {'lambda': 2}}]},
      'models[0].parameters: lambda is one for all models',
    ),
    (
      {'merge_method': 'slerp', 'parameters': {'t': 0.5}},
      'slerp merges 1 models, a base not counted; got 3',
    ),
  ],
)
def test_what_is_not_supported_is_refused_by_name(read, changes, message):
  content = {'merge_method': 'ties', 'base_model': 'base', 'models': PLAIN}
  if 'parameters' in changes or 'dtype' in changes:
    changes = {**changes, 'models': changes.get('models', SIMPLE)}
  content |= changes
  content = {k: v for k, v in content.items() if v is not None}
  with pytest.raises(ValueError) as caught:
    read(content)
  assert message in str(caught.value)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  ('slices', 'message'),
  [
    ([cut(('math', 0, 5))], 'layer_range is [first, end] in the 3 layers'),
    ([cut(('math', 2, 2))], 'layer_range is [first, end] in the 3 layers'),
    ([cut(('math', 0, 2), ('code', 0, 3))], 'its sources have [2, 3] layers'),
    ([cut(('math', 0, 2), ('math', 0, 2))], "names 'math' twice"),
    ([cut(('math', 0, 2)), cut(('base', 0, 2), ('code', 0, 2))], 'different n'),
    ([{'sources': [], 'residual_weight': 1}], 'residual_weight is not supp'),
    ([{'sources': []}], 'slices[0]: sources is a list of models'),
    ([{'soruces': []}], "slices[0]: no 'soruces'; the nearest is 'sources'"),
    (3, '`slices` is a list of slices, got 3'),
  ],
)
def test_slices_that_do_not_fit_are_refused(read, slices, message):
  content = {'merge_method': 'passthrough', 'slices': slices}
  with pytest.raises(ValueError) as caught:
    read(content)
  assert message in str(caught.value)


def test_gradients_need_one_stack_of_layers(read, folder):
  index = 'model.safetensors.index.json'
  twice = folder / 'twice'
  twice.mkdir()
  names = ('encoder.layer.0.w', 'decoder.layer.0.w')
  leaves = {name: np.ones(2, np.float32) for name in names}
  safetensors.save(twice / 'model.safetensors', leaves)
  assert not (twice / index).exists()
  models = [{'model': 'twice', 'parameters': {'weight': [0, 1]}}]
  with pytest.raises(ValueError, match='of which there must be one stack'):
    read(page('linear', models, base=None))
  models[0]['parameters']['weight'] = 1
  assert json.dumps(read(page('linear', models, base=None)).weights)
