"""Models on disk merged leaf by leaf: the bits of `merge`, whatever happens."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas
from paramspace import merging
from paramspace import trees
from paramspace.files import header
from paramspace.files import lazy
from paramspace.files import manifest
from paramspace.files import output

pytestmark = pytest.mark.optimized  # What is compared are bits.

SHAPES = {  # Two, as every shape is a program of its own.
  'embed.weight': (12, 8),
  'layers.0.norm': (8,),
  'layers.0.proj.weight': (12, 8),
}
WEIGHTS = {'a': 0.7, 'b': 1.3, 'c': -0.4}
KEY = jax.random.key(3)


def draw(seed, size, dtype=np.float32):
  """Returns leaves with the names of files, and a step that all agree in."""
  rng = np.random.default_rng(seed)
  normal = lambda shape: np.asarray(size * rng.normal(size=shape), dtype)
  return {n: normal(s) for n, s in SHAPES.items()} | {'step': np.array([3])}


def make_models(dtype=np.float32):
  base = draw(0, 0.1)
  models = {'base': base}
  for seed, name in enumerate('abc'):
    moved = draw(seed + 1, 0.01)
    models[name] = {n: base[n] + moved[n] for n in SHAPES}
  cast = lambda x: {n: np.asarray(x[n]).astype(dtype) for n in SHAPES}
  return {n: cast(x) | {'step': base['step']} for n, x in models.items()}


def write(folder, leaves, shards=2, order=list):
  """Writes a directory of Hugging Face."""
  folder.mkdir(parents=True)
  names, places = list(order(leaves)), {}
  for i in range(shards):
    own = names[i::shards]
    file = f'model-{i + 1:05d}-of-{shards:05d}.safetensors'
    files = {n: (leaves[n].dtype, leaves[n].shape) for n in own}
    first, _ = header.plan(files, {'format': 'pt'})
    content = b''.join(leaves[n].tobytes() for n in own)
    (folder / file).write_bytes(first + content)
    places |= dict.fromkeys(own, file)
  (folder / lazy.INDEX).write_text(json.dumps({'weight_map': places}))
  (folder / 'config.json').write_text('{"layers": 2}')
  return folder


def write_all(folder, models, **how):
  return {n: write(folder / n, x, **how) for n, x in models.items()}


def in_memory(models, recipe, **given):
  tree = lambda x: trees.nested({n.replace('.', '/'): v for n, v in x.items()})
  base, *tuned = map(tree, models.values())
  named = dict(zip([*models][1:], tuned, strict=True))
  return trees.named(merging.merge(base, named, recipe, **given))


def on_disk(places, out, recipe, **given):
  tuned = {n: p for n, p in places.items() if n != 'base'}
  return merging.merge_files(places['base'], tuned, out, recipe, **given)


def check_equal(out, wanted):
  tree = lazy.open(out)
  assert set(tree.leaves) == set(wanted)
  for name, x in wanted.items():
    found = tree.read(name)
    assert found.dtype == x.dtype, name
    assert found.tobytes() == np.asarray(x).tobytes(), name


def digest_of(folder):
  """Returns a digest of all that a reader sees."""
  found = hashlib.sha256()
  for path in sorted(folder.iterdir()):
    found.update(path.name.encode() + path.read_bytes())
  return found.hexdigest()


@pytest.fixture(scope='module')
def places(tmp_path_factory):
  return write_all(tmp_path_factory.mktemp('models'), make_models())


RECIPES = {
  'linear': (merging.linear(), {'weights': WEIGHTS}),
  'ties': (merging.ties(0.4, scale=1.3), {'weights': WEIGHTS}),
  'dare_ties': (
    merging.dare_ties(0.5, 0.3),
    {'weights': WEIGHTS, 'key': KEY},
  ),
  'della': (merging.della(), {'weights': WEIGHTS, 'key': KEY}),
}


@pytest.mark.parametrize('name', RECIPES)
def test_the_result_is_that_of_merge_to_the_bit(tmp_path, places, name):
  recipe, given = RECIPES[name]
  made = on_disk(places, tmp_path / 'out', recipe, **given)
  wanted = in_memory(make_models(), recipe, **given)
  check_equal(tmp_path / 'out', wanted)
  assert made['merge']['digest'] == manifest.digest(trees.nested(wanted))


def test_statistics_are_read_leaf_by_leaf(tmp_path, places):
  known = {n: draw(9 + i, 1) for i, n in enumerate('abc')}
  known = {n: {k: x[k] ** 2 for k in SHAPES} for n, x in known.items()}
  beside = {n: write(tmp_path / n, x) for n, x in known.items()}
  ours = lambda x: {n.replace('.', '/'): v for n, v in x.items()}
  statistics = {n: trees.nested(ours(x)) for n, x in known.items()}
  recipe = merging.fisher()
  on_disk(places, tmp_path / 'out', recipe, statistics=beside)
  wanted = in_memory(make_models(), recipe, statistics=statistics)
  check_equal(tmp_path / 'out', wanted)


def test_narrow_models_are_cast_once_and_the_loss_is_told(tmp_path):
  models = make_models(jnp.bfloat16)
  recipe = merging.task_arithmetic(0.3)
  made = on_disk(write_all(tmp_path, models), tmp_path / 'out', recipe)
  check_equal(tmp_path / 'out', in_memory(models, recipe))
  told = made['merge']['leaves']['embed/weight']
  assert 0 < told['unchanged'] < 1
  assert 0 < told['error'] < 1


def test_the_dtype_can_be_chosen(tmp_path, places):
  recipe = merging.linear()
  on_disk(places, tmp_path / 'out', recipe, out_dtype=jnp.bfloat16)
  wanted = in_memory(make_models(), recipe, out_dtype=jnp.bfloat16)
  check_equal(tmp_path / 'out', wanted)


def test_neither_the_order_nor_the_files_of_leaves_matter(tmp_path, places):
  recipe, given = RECIPES['dare_ties']
  wanted = on_disk(places, tmp_path / 'one', recipe, **given)
  models = make_models()
  other = {
    'base': write(tmp_path / 'base', models['base'], 1, reversed),
    'c': write(tmp_path / 'c', models['c'], 3, sorted),
    'b': write(tmp_path / 'b', models['b'], 2, reversed),
    'a': write(tmp_path / 'a', models['a'], 1),
  }
  found = on_disk(other, tmp_path / 'two', recipe, **given)
  assert found['merge']['digest'] == wanted['merge']['digest']
  leaves = lambda made: {
    n: x['density'] for n, x in made.items() if n != 'step'
  }
  assert leaves(found['merge']['leaves']) == leaves(wanted['merge']['leaves'])


def test_the_output_is_laid_out_like_the_base_and_says_how(tmp_path, places):
  out = tmp_path / 'out'
  made = on_disk(places, out, merging.ties(0.4))
  assert sorted(p.name for p in out.iterdir()) == [
    'config.json',
    'merge.json',
    'merge.txt',
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
    lazy.INDEX,
  ]
  assert 'config.json' in (out / 'merge.txt').read_text()
  base, merged = lazy.open(places['base']), lazy.open(out)
  assert list(merged.leaves) == list(base.leaves)
  assert merged.metadata == {'format': 'pt'}
  leaves, about = manifest.loads((out / 'merge.json').read_bytes())
  assert made['merge'] == about['merge']
  assert set(leaves) == set(merged.leaves)
  assert merging.loads(json.dumps(made['merge']['recipe'])).draws is False
  read = lazy.open(places['a'])
  floats = {n: read.read(n) for n in read.leaves if n != 'step'}
  wanted = manifest.digest(trees.nested(floats))
  assert made['merge']['models']['a']['digest'] == wanted


def test_a_plan_says_what_is_read_and_written(places):
  tuned = {n: places[n] for n in 'abc'}
  plan = merging.plan_files(places['base'], tuned, merging.ties(0.2))
  size = sum(4 * int(np.prod(s)) for s in SHAPES.values())
  assert plan.written == size + 8
  assert plan.read == plan.passes * 4 * size + 4 * 8
  assert list(plan.beside) == ['config.json']


def test_other_values_in_memory_are_another_merge():
  base, other = {'w': np.zeros(2, 'f4')}, {'w': np.ones(2, 'f4')}
  plan = lambda x: merging.plan_files(base, {'a': x}, merging.linear())
  assert plan(base).digest == plan({'w': base['w'].copy()}).digest
  assert plan(base).digest != plan(other).digest


def test_an_output_that_is_not_empty_is_refused(tmp_path, places):
  out, recipe = tmp_path / 'out', merging.linear()
  out.mkdir()
  (out / 'mine.txt').write_text('mine')
  with pytest.raises(FileExistsError, match=r"not empty.*\['mine.txt'\]"):
    on_disk(places, out, recipe)
  assert [p.name for p in out.iterdir()] == ['mine.txt']
  on_disk(places, out, recipe, overwrite=True)
  once = digest_of(out)
  with pytest.raises(FileExistsError, match='not empty'):
    on_disk(places, out, recipe)
  on_disk(places, out, recipe, overwrite=True)
  assert digest_of(out) == once
  assert (out / 'mine.txt').read_text() == 'mine'


def test_an_output_among_the_inputs_is_refused(places):
  with pytest.raises(ValueError, match='which is read'):
    on_disk(places, places['a'], merging.linear(), overwrite=True)


@pytest.mark.parametrize('recipe', ['linear', 'ties'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_named(tmp_path, recipe, value):
  models = make_models()
  models['b']['layers.0.norm'][3] = value
  out = tmp_path / 'out'
  message = r"'layers/0/norm' of 'b', in .*safetensors, has 1 values that are"
  with pytest.raises(ValueError, match=message):
    on_disk(write_all(tmp_path, models), out, RECIPES[recipe][0])
  assert not out.exists()


def change(models, name, leaf, x):
  return models | {name: models[name] | {leaf: x}}


@pytest.mark.parametrize(
  ('leaf', 'x', 'message'),
  [
    ('embed.weight', np.ones((41, 8), np.float32), 'vocabularies differ.*41'),
    ('layers.0.norm', np.ones(9, np.float32), r"'b', beside.*float32\[9\]"),
    ('layers.0.norm', np.ones(8, np.float16), r'float16\[8\]'),
    ('more', np.ones(8, np.float32), r"unexpected: \['more'\]"),
    ('step', np.array([4]), "'step' is not floating-point, but its values"),
  ],
)
def test_models_that_differ_are_refused(tmp_path, leaf, x, message):
  models = change(make_models(), 'b', leaf, x)
  with pytest.raises(ValueError, match=message):
    on_disk(write_all(tmp_path, models), tmp_path / 'out', merging.linear())
  assert not (tmp_path / 'out').exists()


def test_a_damaged_model_leaves_nothing(tmp_path):
  folders = write_all(tmp_path, make_models())
  shard = folders['c'] / 'model-00002-of-00002.safetensors'
  shard.write_bytes(shard.read_bytes()[:-1])
  with pytest.raises(ValueError, match='the file is cut off'):
    on_disk(folders, tmp_path / 'out', merging.linear())
  assert not (tmp_path / 'out').exists()


def test_a_prune_that_is_none_is_refused(places):
  recipe = merging.ties()._replace(prune=lambda key, delta: delta, config={})
  with pytest.raises(ValueError, match=r'make it a `deltas.Prune`'):
    on_disk(places, 'out', recipe)


def test_some_leaves_can_be_pruned_in_another_way(tmp_path, places):
  prune = deltas.where('layers/.*', deltas.trim(0.2, scope='global'))
  recipe = merging.task_arithmetic()._replace(prune=prune, config={})
  on_disk(places, tmp_path / 'out', recipe, key=KEY)
  check_equal(tmp_path / 'out', in_memory(make_models(), recipe, key=KEY))


PROGRAM = """
import resource
import sys
import jax
from paramspace import merging
root, out, limit = sys.argv[1:]
if int(limit):
  resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
merging.merge_files(
  f'{root}/base', {n: f'{root}/{n}' for n in 'abc'}, out,
  merging.dare_linear(0.5), key=jax.random.key(3),
)
"""


def start(root, out, limit=0):
  code = [sys.executable, '-c', PROGRAM, str(root), str(out), str(limit)]
  return subprocess.Popen(
    code,
    stderr=subprocess.PIPE,
    env=os.environ | {'PYTHONPATH': str(pathlib.Path(__file__).parents[2])},
  )


# Processes are forked, before JAX starts a thread, so that imports come once.
KILLS = """
import os
import random
import shutil
import signal
import sys
import time
import jax
from paramspace import merging
root, out, journal = sys.argv[1:]

def merge():
  merging.merge_files(
    f'{root}/base', {n: f'{root}/{n}' for n in 'abc'}, out,
    merging.dare_linear(0.5), key=jax.random.key(3),
  )

def start():
  pid = os.fork()
  if not pid:
    merge()
    os._exit(0)
  return pid

for _ in range(2):  # The second finds compiled programs, as all after it.
  began = time.perf_counter()
  os.waitpid(start(), 0)
  span = time.perf_counter() - began
  shutil.rmtree(out)
moments, kills, amid = random.Random(0), 0, 0
while kills < 20:
  pid = start()
  time.sleep(moments.uniform(0, span))
  os.kill(pid, signal.SIGKILL)
  status = os.waitpid(pid, 0)[1]
  if os.WIFSIGNALED(status):
    kills += 1
    amid += os.path.exists(journal)
  else:
    shutil.rmtree(out)
print(amid)
"""


def test_kills_at_twenty_random_moments_change_nothing(tmp_path):
  models = make_models()
  for i in range(40):  # Leaves enough for the kills to fall among them.
    for model in models.values():
      model[f'more.{i}'] = model['layers.0.norm'] * (i + 1)
  write_all(tmp_path, models)
  recipe = merging.dare_linear(0.5)
  places = {n: tmp_path / n for n in models}
  on_disk(places, tmp_path / 'whole', recipe, key=KEY)
  out = tmp_path / 'out'
  journal = out / output.UNFINISHED / 'journal'
  done = subprocess.run(
    [sys.executable, '-W', 'ignore', '-c', KILLS, tmp_path, out, journal],
    capture_output=True,
    env=os.environ
    | {
      'PYTHONPATH': str(pathlib.Path(__file__).parents[2]),
      'JAX_COMPILATION_CACHE_DIR': str(tmp_path / 'compiled'),
      'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    },
  )
  assert done.returncode == 0, done.stderr.decode()
  assert int(done.stdout) > 2  # Kills that left something to go on from.
  on_disk(places, out, recipe, key=KEY)
  assert digest_of(out) == digest_of(tmp_path / 'whole')


def test_a_full_disk_is_one_line_and_can_be_continued(tmp_path, places):
  root, out = places['base'].parent, tmp_path / 'out'
  process = start(root, out, limit=1200)
  _, said = process.communicate()
  last = said.decode().strip().splitlines()[-1]
  assert 'no room for' in last and 'start again to continue' in last
  assert [p.name for p in out.iterdir()] == [output.UNFINISHED]
  recipe = merging.dare_linear(0.5)
  on_disk(places, out, recipe, key=KEY)
  on_disk(places, tmp_path / 'whole', recipe, key=KEY)
  assert digest_of(out) == digest_of(tmp_path / 'whole')
