"""Trees that stay on disk: every format gives the leaves that were written."""

import json

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from paramspace import trees
from paramspace.files import disk
from paramspace.files import header
from paramspace.files import lazy
from paramspace.files import names
from paramspace.files import output
from paramspace.files import safetensors

TREE = {
  'block': [{'kernel': np.arange(6.0, dtype=np.float32).reshape(2, 3)}],
  'empty': np.zeros((0, 4), np.float32),
  'narrow': np.asarray(jnp.array([1.5, -2.0], jnp.bfloat16)),
  'scale': np.array(0.5, np.float32),
  'step': np.array([3, 4]),
}


def check_same(tree, leaves):
  assert set(tree.leaves) == set(leaves)
  for name, x in leaves.items():
    leaf, found = tree.leaves[name], tree.read(name)
    assert (leaf.shape, leaf.dtype) == (x.shape, x.dtype), name
    assert (found.shape, found.dtype) == (x.shape, x.dtype), name
    assert leaf.nbytes == x.nbytes
    np.testing.assert_array_equal(found, x)
    assert not x.size or not found.ctypes.data % disk.ALIGNED


def write_shards(folder, shards):
  """Writes a directory of Hugging Face, with its names."""
  places = {}
  for i, leaves in enumerate(shards):
    file = f'model-{i + 1:05d}-of-{len(shards):05d}.safetensors'
    files = {n: (x.dtype, x.shape) for n, x in leaves.items()}
    first, _ = header.plan(files, {'format': 'pt'})
    content = b''.join(x.tobytes() for x in leaves.values())
    folder.mkdir(exist_ok=True)
    (folder / file).write_bytes(first + content)
    places |= dict.fromkeys(leaves, file)
  index = {'metadata': {}, 'weight_map': places}
  (folder / lazy.INDEX).write_text(json.dumps(index))


def test_a_safetensors_file(tmp_path):
  path = tmp_path / 'tree.safetensors'
  safetensors.save(path, TREE)
  tree = lazy.open(path)
  check_same(tree, trees.named(TREE))
  assert tree.nbytes == sum(x.nbytes for x in trees.named(TREE).values())


def test_a_directory_with_one_file(tmp_path):
  safetensors.save(tmp_path / 'model.safetensors', TREE)
  (tmp_path / 'config.json').write_text('{}')
  check_same(lazy.open(tmp_path), trees.named(TREE))


def test_a_sharded_directory_in_the_order_of_its_files(tmp_path):
  first = {'z.weight': np.ones(3, np.float32), 'a.weight': np.zeros(2)}
  second = {'b.bias': np.arange(4, dtype=np.int32)}
  write_shards(tmp_path, [first, second])
  tree = lazy.open(tmp_path)
  assert list(tree.leaves) == ['z/weight', 'a/weight', 'b/bias']
  assert [tree.stored(n) for n in tree.leaves] == [*first, *second]
  assert [file.name[:11] for file in tree.files] == [
    'model-00001',
    'model-00002',
  ]
  assert tree.metadata == {'format': 'pt'}
  leaves = first | second
  check_same(tree, {n.replace('.', '/'): x for n, x in leaves.items()})


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_an_npz(tmp_path, save):
  leaves = {
    'a.kernel': np.arange(6.0).reshape(2, 3).T,
    'a.empty': np.zeros((0, 2)),
    'b': np.array(7, np.int8),
  }
  save(tmp_path / 'tree.npz', **leaves)
  wanted = {'a/kernel': leaves['a.kernel'], 'a/empty': leaves['a.empty']}
  check_same(lazy.open(tmp_path / 'tree.npz'), wanted | {'b': leaves['b']})


def test_a_checkpoint_of_orbax(tmp_path):
  held = TREE | {'empty': np.ones((1, 4), np.float32)}  # It stores no nothing.
  with ocp.StandardCheckpointer() as saver:
    saver.save(tmp_path / 'step', held)
  check_same(lazy.open(tmp_path / 'step'), trees.named(held))


def test_a_view_is_mapped_and_can_not_be_written(tmp_path):
  safetensors.save(tmp_path / 'x.safetensors', {'w': np.ones(3)})
  view = lazy.open(tmp_path / 'x.safetensors').leaves['w'].view()
  assert isinstance(view, np.memmap)
  with pytest.raises(ValueError, match='read-only'):
    view[0] = 2


def test_a_leaf_that_is_not_there_lists_near_misses():
  tree = disk.held({'kernel': np.ones(2)})
  with pytest.raises(ValueError, match=r"no leaf 'kernle'.*\['kernel'\]"):
    tree.read('kernle')


@pytest.mark.parametrize(
  'given',
  [
    ['model.layers.0.weight', 'lm_head.weight', 'scale'],
    ['block_1.5/kernel', 'block_1.5/bias', 'a.b'],
    ['w'],
  ],
)
def test_names_come_back(given):
  mark = names.separator(given)
  ours = [names.leaf(name, mark) for name in given]
  assert [names.stored(name, mark) for name in ours] == given
  assert len(set(ours)) == len(given)


def test_a_planned_header_is_what_is_parsed():
  leaves = {'b': (np.dtype('<f4'), (2, 3)), 'a': (np.dtype('<i8'), ())}
  first, planned = header.plan(leaves, {'format': 'pt'})
  assert header.parse(first[8:], planned.size) == planned
  assert list(planned.entries) == ['b', 'a']
  assert planned.metadata == {'format': 'pt'}


def make_output(folder, plan='p'):
  leaves = {n: (np.dtype('<f4'), (2,)) for n in 'ab'}
  return output.Output(folder, {'x.safetensors': output.File(leaves, {})}, plan)


def test_an_output_continues_with_what_is_there_and_right(tmp_path):
  writing = make_output(tmp_path)
  writing.write('a', np.float32([1, 2]), kept=0.5)
  writing.write('b', np.float32([3, 4]))
  writing.close()
  partial = tmp_path / output.UNFINISHED / 'x.safetensors'
  content = bytearray(partial.read_bytes())
  content[-1] ^= 1
  partial.write_bytes(content)
  journal = partial.with_name('journal')
  journal.write_bytes(journal.read_bytes() + b'{"leaf": "tor')
  writing = make_output(tmp_path)
  assert set(writing.done) == {'a'}
  assert writing.done['a']['kept'] == 0.5
  writing.write('b', np.float32([3, 4]))
  writing.finish({'beside.txt': b'text'})
  writing.close()
  names_there = sorted(p.name for p in tmp_path.iterdir())
  assert names_there == ['beside.txt', 'x.safetensors']
  found = safetensors.load(tmp_path / 'x.safetensors')
  assert [x.tolist() for x in found.values()] == [[1, 2], [3, 4]]


def test_an_output_of_another_plan_begins_anew(tmp_path):
  writing = make_output(tmp_path)
  writing.write('a', np.float32([1, 2]))
  writing.close()
  with pytest.raises(FileExistsError, match='unfinished merge of other inputs'):
    output.check(tmp_path, 'other', resume=True, overwrite=False)
  writing = make_output(tmp_path, 'other')
  assert not writing.done
  writing.close()


def test_two_can_not_write_one_output(tmp_path):
  writing = make_output(tmp_path)
  with pytest.raises(BlockingIOError, match='by another process'):
    make_output(tmp_path)
  writing.close()
