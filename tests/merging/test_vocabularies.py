"""Models of other vocabularies, and the config of what comes of them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import cli
from paramspace import merging
from paramspace import trees
from paramspace.files import disk
from paramspace.files import lazy
from paramspace.files import safetensors
from paramspace.merging import _vocabulary
from paramspace.merging import recipe_files

EMBED, HEAD, NORM = 'model/embed_tokens/weight', 'lm_head/weight', 'norm/weight'


def draw(seed, rows, dtype=np.float32):
  rng = np.random.default_rng(seed)
  shapes = {EMBED: (rows, 4), HEAD: (rows, 4), NORM: (4,)}
  return {n: rng.normal(size=s).astype(dtype) for n, s in shapes.items()}


SIZES = {'base': 6, 'a': 8, 'b': 7, 'c': 5}


def models(sizes=SIZES, dtype=np.float32):
  return {n: draw(i, k, dtype) for i, (n, k) in enumerate(sizes.items())}


def held(leaves):
  return disk.held(trees.nested(leaves))


def fit(given, how):
  tuned = {n: held(x) for n, x in given.items() if n != 'base'}
  return _vocabulary.fit(held(given['base']), tuned, how)


def save(root, given, **config):
  for name, leaves in given.items():
    (root / name).mkdir()
    safetensors.save(root / name / lazy.WHOLE, leaves)
    about = {'vocab_size': len(leaves[EMBED]), 'torch_dtype': 'float32'}
    (root / name / 'config.json').write_text(json.dumps(about | config))
  return {n: root / n for n in given if n != 'base'}


def read(path):
  tree = lazy.open(path)
  return {name: tree.read(name) for name in tree.leaves}


def config(path):
  return json.loads((path / 'config.json').read_text())


def test_cut_leaves_the_rows_that_all_have():
  given = models()
  base, tuned, rows = fit(given, 'cut')
  assert rows == 5
  for tree, name in zip([base, *tuned], given, strict=True):
    np.testing.assert_array_equal(tree.read(EMBED), given[name][EMBED][:5])
    np.testing.assert_array_equal(tree.read(NORM), given[name][NORM])


def test_padded_rows_are_the_bases_or_the_mean_of_those_who_have_them():
  given = models()
  base, (a, b, c), rows = fit(given, 'pad')
  assert rows == 8
  for name in (EMBED, HEAD):
    x, y = given['a'][name], given['b'][name]
    both = np.stack([(x[6] + y[6]) / 2, x[7]])
    padded = np.concatenate([given['base'][name], both])
    np.testing.assert_allclose(base.read(name), padded, rtol=1e-6)
    np.testing.assert_array_equal(a.read(name), x)
    np.testing.assert_array_equal(b.read(name)[:7], y)
    np.testing.assert_array_equal(b.read(name)[7], base.read(name)[7])
    np.testing.assert_array_equal(c.read(name)[5:], base.read(name)[5:])


def test_a_row_that_one_model_alone_has_is_its_own_in_the_result(tmp_path):
  given = models({'base': 6, 'a': 8, 'b': 6})
  tuned = save(tmp_path, given)
  recipe = merging.task_arithmetic(0.3)
  merging.merge_files(
    tmp_path / 'base', tuned, tmp_path / 'out', recipe, vocabulary='pad'
  )
  found = lazy.open(tmp_path / 'out').read(HEAD)
  np.testing.assert_array_equal(found[6:], given['a'][HEAD][6:])


def test_the_order_of_the_models_does_not_matter():
  given = models(dtype=jnp.bfloat16)
  backward = {n: given[n] for n in ('base', 'c', 'b', 'a')}
  one, other = fit(given, 'pad').base, fit(backward, 'pad').base
  np.testing.assert_array_equal(one.read(EMBED), other.read(EMBED))
  assert one.leaves[EMBED].dtype == jnp.bfloat16


@pytest.mark.parametrize(('how', 'rows'), [('cut', 5), ('pad', 8)])
def test_files_are_merged_as_the_models_that_were_fitted(tmp_path, how, rows):
  given = models()
  tuned = save(tmp_path, given)
  recipe = merging.linear()
  plan = merging.plan_files(tmp_path / 'base', tuned, recipe, vocabulary=how)
  merging.merge_files(
    tmp_path / 'base', tuned, tmp_path / 'out', recipe, vocabulary=how
  )
  base, fitted, _ = fit(given, how)
  whole = lambda tree: {n: tree.read(n) for n in tree.leaves}
  named = dict(zip('abc', map(whole, fitted), strict=True))
  wanted = merging.merge(whole(base), named, recipe)
  found = read(tmp_path / 'out')
  jax.tree.map(np.testing.assert_array_equal, found, wanted)
  assert plan.written == sum(x.nbytes for x in found.values())
  assert config(tmp_path / 'out')['vocab_size'] == rows
  assert f'to {rows} rows' in (tmp_path / 'out' / 'merge.txt').read_text()


def test_the_same_vocabularies_need_no_word(tmp_path):
  given = models(dict.fromkeys(SIZES, 6))
  assert fit(given, 'pad').rows is None
  with pytest.raises(ValueError, match=r"`vocabulary` is one of .*'grow'"):
    fit(given, 'grow')


def test_other_vocabularies_are_refused_with_both_ways_out():
  message = r"vocabularies differ: .*'b'\": 7.*rows; cut .* pad them"
  with pytest.raises(ValueError, match=message):
    fit(models(), 'same')


def test_two_sizes_within_a_model_are_refused():
  given = models()
  given['a'][HEAD] = given['a'][HEAD][:7]
  with pytest.raises(ValueError, match=r"'a' has vocabularies of two sizes"):
    fit(given, 'pad')


def test_positions_are_no_vocabulary():
  given = models(dict.fromkeys(SIZES, 6))
  for name, leaves in given.items():
    leaves['embed_positions'] = np.ones((4 if name == 'a' else 5, 4))
  assert fit(given, 'cut').rows is None


def test_the_config_says_the_dtype_that_is_written(tmp_path):
  given = models(dict.fromkeys(SIZES, 6))
  inner = {'dtype': 'float32', 'layers': 2}
  tuned = save(tmp_path, given, dtype='float32', text_config=inner)
  merging.merge_files(
    tmp_path / 'base',
    tuned,
    tmp_path / 'out',
    merging.linear(),
    out_dtype=jnp.bfloat16,
  )
  found = config(tmp_path / 'out')
  assert found['dtype'] == found['torch_dtype'] == 'bfloat16'
  assert found['text_config'] == {'dtype': 'bfloat16', 'layers': 2}
  assert 'Copied' in (tmp_path / 'out' / 'merge.txt').read_text()


def test_a_config_that_is_right_is_copied_to_the_byte(tmp_path):
  tuned = save(tmp_path, models(dict.fromkeys(SIZES, 6)))
  text = '{"torch_dtype":   "float32"}\n'
  (tmp_path / 'base' / 'config.json').write_text(text)
  out = tmp_path / 'out'
  recipe = merging.linear()
  merging.merge_files(tmp_path / 'base', tuned, out, recipe, out_dtype='f4')
  assert (out / 'config.json').read_text() == text


def test_a_config_that_is_none_is_named(tmp_path):
  tuned = save(tmp_path, models(dict.fromkeys(SIZES, 6)))
  (tmp_path / 'base' / 'config.json').write_text('[]')
  with pytest.raises(ValueError, match=r'config\.json is no JSON object'):
    merging.plan_files(
      tmp_path / 'base', tuned, merging.linear(), out_dtype=np.float16
    )


def test_a_page_and_a_call_say_what_to_do(tmp_path, monkeypatch, capsys):
  save(tmp_path, models())
  monkeypatch.chdir(tmp_path)
  page = 'base: base\nmodels: {a: a, b: b}\nrecipe: linear\n'
  (tmp_path / 'page.yaml').write_text(page)
  assert cli.main(['merge', 'page.yaml', 'out']) == 2
  assert 'are not the same in all models' in capsys.readouterr().err
  call = ['merge', 'page.yaml', 'cut', '--vocabulary=cut']
  assert cli.main(call) == 0
  assert config(tmp_path / 'cut')['vocab_size'] == 6
  (tmp_path / 'page.yaml').write_text(page + 'vocabulary: pad\n')
  assert cli.main(['merge', 'page.yaml', 'pad']) == 0
  assert lazy.open('pad').leaves[EMBED].shape == (8, 4)
  (tmp_path / 'page.yaml').write_text(page + 'vocabulary: pat\n')
  with pytest.raises(ValueError, match="vocabulary: no 'pat'; the nearest is"):
    recipe_files.read('page.yaml')
