"""`paramspace merge` and `paramspace inspect`, on small checkpoints."""

import json
import re
import resource

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks.merge_files import checkpoints
from paramspace import cli
from paramspace import merging
from paramspace.files import lazy
from paramspace.files import manifest
from paramspace.files import safetensors
from paramspace.launch import errors

SHAPE = checkpoints.Shape(hidden=8, layers=2, mlp=12, vocabulary=20, heads=2)

PAGE = """
base: base
models: {math: {path: math, weight: 0.7}, code: code}
recipe: {name: task_arithmetic, scale: 0.3}
"""
MERGEKIT = """
merge_method: dare_ties
base_model: base
models:
  - {model: math, parameters: {weight: 0.7, density: 0.5}}
  - {model: code, parameters: {weight: 0.3, density: 0.2}}
dtype: float32
out_dtype: bfloat16
"""
STACKED = """
merge_method: passthrough
slices:
  - sources: [{model: math, layer_range: [0, 2]}]
  - sources: [{model: code, layer_range: [1, 2]}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
  checkpoints.write(tmp_path, SHAPE, ('math', 'code'), 'float32')
  monkeypatch.chdir(tmp_path)
  for name, text in (
    ('page', PAGE),
    ('mergekit', MERGEKIT),
    ('stacked', STACKED),
  ):
    (tmp_path / f'{name}.yaml').write_text(text)
  return tmp_path


def whole(path):
  tree = lazy.open(path)
  return {name: tree.read(name) for name in tree.leaves}


def one_line(capsys, *arguments, code=errors.USAGE):
  """The one line on stderr of a call that is wrong."""
  assert cli.main(arguments) == code
  (line,) = capsys.readouterr().err.splitlines()
  return line


def test_a_page_is_merged_as_in_memory_and_the_way_is_written_down(
  folder, capsys
):
  assert cli.main(['merge', 'page.yaml', 'out']) == errors.DONE
  expected = merging.merge(
    whole('base'),
    {'math': whole('math'), 'code': whole('code')},
    merging.task_arithmetic(0.3),
    weights={'math': 0.7, 'code': 1.0},
  )
  jax.tree.map(np.testing.assert_array_equal, whole('out'), expected)
  record = json.loads((folder / 'out' / 'merge.json').read_text())['merge']
  assert record['recipe']['name'] == 'merging.task_arithmetic'
  out = capsys.readouterr().out
  assert '2 models merged into out' in out and record['digest'] in out


def test_a_page_of_mergekit_is_merged_in_its_dtype_and_says_what_differs(
  folder, capsys
):
  assert cli.main(['merge', 'mergekit.yaml', 'out', '--seed=3']) == errors.DONE
  found = lazy.open('out')
  assert {str(leaf.dtype) for leaf in found.leaves.values()} == {'bfloat16'}
  config = json.loads((folder / 'out' / 'config.json').read_text())
  assert config['torch_dtype'] == 'bfloat16'
  assert 'Note: What is drawn is not' in capsys.readouterr().out
  cli.main(['merge', 'mergekit.yaml', 'again', '--seed=3'])
  cli.main(['merge', 'mergekit.yaml', 'other', '--seed=4'])
  name = 'lm_head/weight'
  first, again, other = (
    lazy.open(path).read(name).tobytes() for path in ('out', 'again', 'other')
  )
  assert first == again != other


def test_layers_are_stacked_on_disk_and_in_the_config(folder):
  assert cli.main(['merge', 'stacked.yaml', 'out']) == errors.DONE
  found, code = lazy.open('out'), lazy.open('code')
  leaf = 'model/layers/{}/mlp/up_proj/weight'.format
  np.testing.assert_array_equal(found.read(leaf(2)), code.read(leaf(1)))
  config = json.loads((folder / 'out' / 'config.json').read_text())
  assert config['num_hidden_layers'] == 3
  assert config['hidden_size'] == SHAPE.hidden


def test_a_dry_run_prints_the_plan_and_writes_nothing(folder, capsys):
  page = PAGE.replace('task_arithmetic, scale', 'ties, density')
  (folder / 'page.yaml').write_text(page)
  assert cli.main(['merge', 'page.yaml', 'out', '--dry-run']) == errors.DONE
  shown = capsys.readouterr().out
  size = 4 * checkpoints.size(SHAPE)
  assert f'write {size / 1000:.3g} kB' in shown
  passes = int(re.search(r'in (\d) passes', shown)[1])
  assert f'read {passes * 3 * size / 1000:.3g} kB' in shown
  assert '"density": 0.3' in shown and 'all leaves have the same' in shown
  assert 'config.json' in shown and 'of memory' in shown
  assert not (folder / 'out').exists()


def test_leaves_that_do_not_fit_are_all_listed(folder, capsys):
  leaves = whole('base')
  del leaves['model/norm/weight']
  leaves['lm_head/weight'] = leaves['lm_head/weight'].astype(jnp.bfloat16)
  safetensors.save('code.safetensors', leaves)
  page = PAGE.replace('code: code', 'code: code.safetensors')
  (folder / 'page.yaml').write_text(page)
  assert cli.main(['merge', 'page.yaml', 'out', '--dry-run']) == errors.USAGE
  shown = capsys.readouterr()
  for text in ('lm_head/weight', 'bfloat16[20, 8]', 'model/norm', 'absent'):
    assert text in shown.out
  assert '2 leaves are not the same in all models' in shown.err
  assert not (folder / 'out').exists()


def test_what_is_there_is_replaced_only_if_told_so(folder, capsys):
  cli.main(['merge', 'page.yaml', 'out'])
  line = one_line(capsys, 'merge', 'stacked.yaml', 'out')
  assert 'out is not empty' in line
  call = ['merge', 'stacked.yaml', 'out', '--overwrite', '--no-resume']
  assert cli.main(call) == errors.DONE
  assert 'model/layers/2/mlp/up_proj/weight' in lazy.open('out').leaves


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['page.yaml'], 'required: OUT'),
    (['none.yaml', 'out'], 'none.yaml: No such file'),
    (
      ['page.yaml', 'out', '--memory=much'],
      "--memory: invalid count value: 'm",
    ),
    (['page.yaml', 'out', '--memory=10'], '`memory` is 10, less than'),
    (['page.yaml', 'base', '--overwrite'], 'base holds '),
    (['page.yaml', 'out', '--overwite'], "did you mean '--overwrite'"),
  ],
)
def test_a_call_that_is_wrong_is_one_line(folder, capsys, arguments, message):
  assert message in one_line(capsys, 'merge', *arguments)


def test_a_full_disk_is_one_line_and_the_same_call_continues(folder, capsys):
  cli.main(['merge', 'page.yaml', 'whole'])  # All programs are compiled.
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
  try:
    call = 'merge', 'page.yaml', 'out'
    assert 'no room for out' in one_line(capsys, *call, code=errors.FAILED)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
  assert cli.main(call) == errors.DONE
  jax.tree.map(np.testing.assert_array_equal, whole('out'), whole('whole'))


def test_a_damaged_model_has_an_exit_code_of_its_own(folder, capsys):
  (path,) = (folder / 'math').glob('*-00002-of-*')
  path.write_bytes(path.read_bytes()[:-1])
  arguments = 'merge', 'page.yaml', 'out'
  line = one_line(capsys, *arguments, code=errors.CORRUPT)
  assert path.name in line and not (folder / 'out').exists()
  line = one_line(capsys, 'inspect', 'math', code=errors.CORRUPT)
  assert path.name in line


def test_a_model_is_listed_with_digests_and_totals(folder, capsys):
  assert cli.main(['inspect', 'base']) == errors.DONE
  shown = capsys.readouterr().out
  for name, leaf in manifest.describe(whole('base')).items():
    (row,) = [line for line in shown.splitlines() if f' {name} ' in line]
    for text in (list(leaf.shape), leaf.dtype, leaf.nbytes, leaf.sha256[:16]):
      assert str(text) in row
  size = checkpoints.size(SHAPE)
  assert f'{size} parameters, {4 * size / 1000:.3g} kB in 2 files' in shown
  assert manifest.digest(whole('base')) in shown


def test_two_models_are_compared_leaf_by_leaf(folder, capsys):
  assert cli.main(['inspect', 'base', 'math']) == errors.DONE
  shown = capsys.readouterr().out.splitlines()
  a, b = whole('base'), whole('math')
  for name in ('lm_head/weight', 'model/norm/weight'):
    (row,) = [line for line in shown if f' {name} ' in line]
    norm = np.linalg.norm(b[name] - a[name])
    cosine = np.vdot(a[name], b[name]) / np.linalg.norm(a[name])
    cosine /= np.linalg.norm(b[name])
    assert f'{norm:.4g}' in row and f'{cosine:.4g}' in row
  flat = [np.concatenate([x.ravel() for x in t.values()]) for t in (a, b)]
  assert f'|delta| {np.linalg.norm(flat[1] - flat[0]):.4g}' in shown[-1]


def test_an_adapter_is_extracted_and_merged(folder, capsys):
  call = ['extract', 'base', 'math', 'lora', '--rank=3', '--save-others']
  assert cli.main(call) == errors.DONE
  shown = capsys.readouterr().out
  record = json.loads((folder / 'lora' / 'extract.json').read_text())['extract']
  for name, row in record['leaves'].items():
    (line,) = [line for line in shown.splitlines() if f' {name} ' in line]
    assert f'{row["energy"]:.4g}' in line
  assert f'{record["energy"]:.4g} of the energy at rank 3' in shown
  assert record['digest'] in shown
  page = 'base: base\nmodels: {lora: lora}\nrecipe: linear\n'
  (folder / 'page.yaml').write_text(page)
  assert cli.main(['merge', 'page.yaml', 'out']) == errors.DONE
  found, wanted = whole('out'), whole('math')
  for name in record['saved']:
    np.testing.assert_array_equal(found[name], wanted[name])
  shown = capsys.readouterr().out
  assert '1 model merged' in shown
  assert 'lora is not empty' in one_line(capsys, *call)
  line = one_line(capsys, 'extract', 'base', 'math', 'other', '--rank=0')
  assert '`rank` must be an integer of 1 or more, got 0' in line
  assert cli.main(['inspect', 'lora']) == errors.DONE
  assert 'in 1 file; digest' in capsys.readouterr().out
  assert cli.main(['inspect', 'base', 'lora']) == errors.DONE
  applied = capsys.readouterr().out.splitlines()[-1]
  cli.main(['inspect', 'base', 'out'])
  assert capsys.readouterr().out.splitlines()[-1] == applied


def test_models_of_other_shapes_are_not_compared(folder, capsys):
  other = SHAPE._replace(vocabulary=21)
  checkpoints.write(folder / 'wider', other, ())
  line = one_line(capsys, 'inspect', 'base', 'wider/base')
  assert 'is [20, 8] in base and [21, 8] in wider/base' in line
  assert 'two to compare' in one_line(capsys, 'inspect', *['base'] * 3)
