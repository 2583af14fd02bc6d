"""Adapters in and out: what they make of a model, and of what it adds."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging
from paramspace import trees
from paramspace.files import adapters
from paramspace.files import disk
from paramspace.files import lazy
from paramspace.files import manifest
from paramspace.files import safetensors
from paramspace.merging import recipe_files

pytestmark = pytest.mark.optimized  # What is compared are bits.

SHAPES = {
  'model.embed_tokens.weight': (12, 8),
  'model.layers.0.q.weight': (8, 8),
  'model.layers.0.q.bias': (8,),
  'model.layers.0.up.weight': (12, 8),
  'model.layers.0.down.weight': (8, 12),
  'model.norm.weight': (8,),
}
MATRICES = [n.replace('.', '/') for n, s in SHAPES.items() if len(s) == 2]


def draw(seed, size=1.0, dtype=np.float32):
  rng = np.random.default_rng(seed)
  values = {n: size * rng.normal(size=s) for n, s in SHAPES.items()}
  return {n: x.astype(dtype) for n, x in values.items()}


def save(folder, leaves):
  folder.mkdir(parents=True)
  safetensors.save(folder / lazy.WHOLE, leaves)
  return folder


@pytest.fixture
def models(tmp_path):
  base, moved = draw(0), draw(1, 0.1)
  tuned = {n: base[n] + moved[n] for n in base}
  return save(tmp_path / 'base', base), save(tmp_path / 'tuned', tuned)


def delta(a, b, name):
  return lazy.open(b).read(name).astype(np.float64) - lazy.open(a).read(name)


def applied(base, adapter):
  return adapters.apply(lazy.open(base), adapter)


def test_of_full_rank_it_gives_the_model_back(tmp_path, models):
  base, tuned = models
  out = tmp_path / 'out'
  made = merging.extract_lora(base, tuned, out, 8, others='save')
  found, wanted = applied(base, out), lazy.open(tuned)
  for name in wanted.leaves:
    np.testing.assert_allclose(
      found.read(name), wanted.read(name), atol=1e-6, err_msg=name
    )
  assert found.read('model/norm/weight').tobytes() == (
    wanted.read('model/norm/weight').tobytes()
  )
  assert made['extract']['energy'] == pytest.approx(1, abs=1e-12)
  assert made['extract']['left'] == {}


def test_the_error_is_the_tail_of_the_singular_values(tmp_path, models):
  base, tuned = models
  out = tmp_path / 'out'
  made = merging.extract_lora(base, tuned, out, 3)['extract']
  found, sums = applied(base, out), np.zeros(2)
  for name in MATRICES:
    wanted = delta(base, tuned, name)
    values = np.linalg.svd(wanted, compute_uv=False)
    got = found.read(name).astype(np.float64) - lazy.open(base).read(name)
    tail = np.sqrt((values[3:] ** 2).sum())
    assert np.linalg.norm(wanted - got) == pytest.approx(tail, rel=1e-5)
    assert np.linalg.matrix_rank(got, tol=1e-4) == 3
    energy = (values[:3] ** 2).sum() / (values**2).sum()
    assert made['leaves'][name]['energy'] == pytest.approx(energy, rel=1e-9)
    sums += (values[:3] ** 2).sum(), (values**2).sum()
  assert made['energy'] == pytest.approx(sums[0] / sums[1], rel=1e-9)
  left = {n: np.linalg.norm(delta(base, tuned, n)) for n in made['left']}
  assert made['left'] == pytest.approx(left)
  assert set(left) == {'model/layers/0/q/bias', 'model/norm/weight'}


def test_what_an_adapter_adds_is_found_again(tmp_path, models):
  base, tuned = models
  once, twice = tmp_path / 'once', tmp_path / 'twice'
  merging.extract_lora(base, tuned, once, 2)
  made = merging.extract_lora(base, once, twice, 4, out_dtype=jnp.float32)
  assert made['extract']['energy'] == pytest.approx(1, abs=1e-9)
  first, second = applied(base, once), applied(base, twice)
  for name in first.leaves:
    np.testing.assert_allclose(
      first.read(name), second.read(name), atol=1e-6, err_msg=name
    )


def test_the_files_are_those_of_peft(tmp_path, models):
  out = tmp_path / 'out'
  made = merging.extract_lora(*models, out, 9, others='save')
  config = json.loads((out / 'adapter_config.json').read_text())
  assert config['r'] == config['lora_alpha'] == 9
  assert config['modules_to_save'] == ['model.norm']
  assert config['bias'] == 'all'
  assert config['rank_pattern'] == config['alpha_pattern']
  assert set(config['rank_pattern'].values()) == {8}  # The shorter sides.
  stored = {n for n in safetensors.load(out / lazy.ADAPTER)}
  assert 'base_model.model.model.embed_tokens.lora_embedding_A' in stored
  assert 'base_model.model.model.layers.0.q.base_layer.bias' in stored
  assert 'base_model.model.model.layers.0.up.lora_B.weight' in stored
  leaves, about = manifest.loads((out / 'extract.json').read_bytes())
  assert about['extract'] == made['extract']
  assert set(leaves) == stored


def test_nothing_has_all_of_its_energy(tmp_path, models):
  base, _ = models
  made = merging.extract_lora(base, base, tmp_path / 'out', 2)
  assert made['extract']['energy'] == 1
  found = applied(base, tmp_path / 'out')
  for name, leaf in lazy.open(base).leaves.items():
    np.testing.assert_array_equal(found.read(name), leaf.view())


def test_a_call_that_was_stopped_continues(tmp_path, models):
  whole, out = tmp_path / 'whole', tmp_path / 'out'
  merging.extract_lora(*models, whole, 2)

  def stop(count, seen=[]):  # noqa: B006
    seen.append(count)
    if len(seen) == 2:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    merging.extract_lora(*models, out, 2, progress=stop)
  assert [p.name for p in out.iterdir()] == ['.unfinished']
  merging.extract_lora(*models, out, 2)
  for path in whole.iterdir():
    assert path.read_bytes() == (out / path.name).read_bytes(), path.name
  with pytest.raises(FileExistsError, match='not empty'):
    merging.extract_lora(*models, out, 3)


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ({'rank': 0}, '`rank` must be an integer of 1 or more, got 0'),
    ({'rank': 2.0}, r'got 2\.0'),
    ({'others': 'drop'}, "'leave' or 'save', got 'drop'"),
    ({'out_dtype': np.float16}, "'model/layers/0/q/weight' are too large for"),
  ],
)
def test_what_cannot_be_extracted_is_refused(tmp_path, models, given, message):
  base, tuned = models
  tuned = lazy.open(tuned).leaves
  tuned = {n: x.view().copy() for n, x in tuned.items()}
  tuned['model/layers/0/q/weight'] *= 1e12
  out = tmp_path / 'out'
  with pytest.raises(ValueError, match=message):
    merging.extract_lora(base, trees.nested(tuned), out, **{'rank': 2} | given)
  assert not out.exists()


def test_a_value_that_is_not_finite_is_named(tmp_path, models):
  base, _ = models
  tuned = {n.replace('.', '/'): x for n, x in draw(2).items()}
  tuned['model/layers/0/up/weight'][3, 2] = np.nan
  with pytest.raises(ValueError, match="'model/layers/0/up/weight' has values"):
    merging.extract_lora(base, trees.nested(tuned), tmp_path / 'out', 2)
  assert not (tmp_path / 'out').exists()


def materialised(tree):
  return {name: tree.read(name) for name in tree.leaves}


@pytest.mark.parametrize('recipe', [merging.linear(), merging.ties(0.4)])
def test_an_adapter_is_merged_as_the_model_that_it_makes(
  tmp_path, models, recipe
):
  base, tuned = models
  merging.extract_lora(base, tuned, tmp_path / 'lora', 2)
  other = save(tmp_path / 'other', draw(5))
  named = {'a': tmp_path / 'lora', 'b': other}
  made = merging.merge_files(base, named, tmp_path / 'out', recipe)
  whole = {
    'a': materialised(applied(base, tmp_path / 'lora')),
    'b': materialised(lazy.open(other)),
  }
  wanted = merging.merge(materialised(lazy.open(base)), whole, recipe)
  found = materialised(lazy.open(tmp_path / 'out'))
  jax.tree.map(np.testing.assert_array_equal, found, wanted)
  files = made['merge']['models']['a']['files']
  assert {lazy.WHOLE, lazy.ADAPTER, 'adapter_config.json'} <= set(files)


@pytest.mark.parametrize(
  'recipe', [merging.linear(), merging.task_arithmetic(0.5)]
)
def test_a_narrow_result_is_cast_once(tmp_path, recipe):
  base = save(tmp_path / 'base', draw(0, dtype=jnp.bfloat16))
  wide = {n: x.astype(np.float32) for n, x in draw(0, dtype='bfloat16').items()}
  moved = draw(1, 1e-3)
  tuned = save(tmp_path / 'tuned', {n: x + moved[n] for n, x in wide.items()})
  wide = save(tmp_path / 'wide', wide)
  merging.extract_lora(wide, tuned, tmp_path / 'lora', 8)
  named = {'a': tmp_path / 'lora', 'b': tmp_path / 'lora'}
  merging.merge_files(base, named, tmp_path / 'out', recipe)
  model = materialised(applied(wide, tmp_path / 'lora'))
  wanted = merging.merge(
    materialised(lazy.open(wide)),
    {'a': model, 'b': model},
    recipe,
    out_dtype=jnp.bfloat16,
  )
  found = materialised(lazy.open(tmp_path / 'out'))
  jax.tree.map(np.testing.assert_array_equal, found, wanted)


def test_pages_name_adapters(tmp_path, models, monkeypatch):
  base, tuned = models
  merging.extract_lora(base, tuned, tmp_path / 'lora', 2)
  monkeypatch.chdir(tmp_path)
  over = lambda model: materialised(applied(model, tmp_path / 'lora'))
  ours = (
    'base: base\nrecipe: linear\nmodels:\n  a: lora\n'
    '  b: {path: tuned, adapter: lora}'
  )
  theirs = (
    'merge_method: linear\nmodels:\n- {model: base+lora, parameters: '
    '{weight: 1}}\n- {model: tuned+lora, parameters: {weight: 1}}'
  )
  for text in (ours, theirs):
    (tmp_path / 'page.yaml').write_text(text)
    plan = recipe_files.read('page.yaml')
    assert recipe_files.preflight(plan) == []
    got = [materialised(tree) for tree in plan.models.values()]
    jax.tree.map(np.testing.assert_array_equal, got, [over(base), over(tuned)])
  for model, message in (
    ('lora', r'is an adapter; write its model before it, M\+lora'),
    ('base+lora+lora', r'should be a model, or a model\+adapter'),
    ('base+tuned', 'adapter_config.json'),
  ):
    (tmp_path / 'page.yaml').write_text(theirs.replace('base+lora', model))
    with pytest.raises(ValueError, match=message):
      recipe_files.read('page.yaml')


def test_a_changed_scale_is_another_merge(tmp_path, models):
  base, tuned = models
  merging.extract_lora(base, tuned, tmp_path / 'lora', 2)
  plan = lambda: merging.plan_files(
    base, {'a': tmp_path / 'lora'}, merging.linear()
  )
  before = plan().digest
  path = tmp_path / 'lora' / 'adapter_config.json'
  path.write_text(
    path.read_text().replace('"lora_alpha": 2', '"lora_alpha": 3')
  )
  assert plan().digest != before


def test_a_held_base_can_be_adapted(tmp_path, models):
  base, tuned = models
  merging.extract_lora(base, tuned, tmp_path / 'lora', 2)
  tree = disk.held(trees.nested(materialised(lazy.open(base))))
  found = adapters.apply(tree, tmp_path / 'lora')
  wanted = applied(base, tmp_path / 'lora')
  name = MATRICES[0]
  np.testing.assert_array_equal(found.read(name), wanted.read(name))
