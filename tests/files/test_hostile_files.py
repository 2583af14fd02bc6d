"""Files that are damaged or hostile: each is refused by name, and unread."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from paramspace.files import lazy


def pack(head, data=b'', length=None):
  text = head if isinstance(head, bytes) else json.dumps(head).encode()
  size = len(text) if length is None else length
  return size.to_bytes(8, 'little') + text + data


def entry(start=0, stop=8, dtype='F32', shape=(2,)):
  return {
    'dtype': dtype,
    'shape': list(shape),
    'data_offsets': [start, stop],
  }


TWICE = b'{"w": %s, "w": %s}' % ((json.dumps(entry()).encode(),) * 2)
DEEP = b'[' * 100_000 + b']' * 100_000
DATA = bytes(8)

FILES = {
  'no bytes': (b'', 'less than the length of a header'),
  'a few bytes': (b'\x08\x00', 'less than the length of a header'),
  'a header cut off': (pack(b'{}', length=50), 'does not fit in 10'),
  'a huge header': (pack(b'{}', length=1 << 40), 'is more than 100000000'),
  'a header longer than all': (pack(b'{}', length=2**64 - 1), 'is more than'),
  'no JSON': (pack(b'{"w": '), 'is no JSON'),
  'no Unicode': (pack(b'{"\xff": 1}'), 'is no JSON'),
  'a list': (pack([]), 'is no object'),
  'a deep header': (pack(DEEP), 'is no JSON'),
  'a duplicated name': (pack(TWICE, DATA), "'w' is there twice"),
  'a missing field': (pack({'w': {'dtype': 'F32'}}), 'a shape and data_offs'),
  'a field too many': (pack({'w': entry() | {'a': 1}}, DATA), 'should have a'),
  'an unknown dtype': (pack({'w': entry(dtype='F7')}, DATA), "dtype 'F7', not"),
  'a wrong dtype': (pack({'w': entry(dtype='F64')}, DATA), 'takes 16 bytes'),
  'a negative shape': (pack({'w': entry(shape=[-2])}, DATA), r'shape \[-2\]'),
  'a fraction of a shape': (pack({'w': entry(shape=[0.5])}), r'shape \[0.5\]'),
  'a shape of truth': (pack({'w': entry(shape=[True])}), r'shape \[True\]'),
  'a huge shape': (pack({'w': entry(shape=[2**62] * 9)}, DATA), 'takes .* byt'),
  'many axes': (pack({'w': entry(0, 4, shape=[1] * 99)}, DATA), 'has shape'),
  'offsets backwards': (pack({'w': entry(8, 0)}, DATA), r'offsets \[8, 0\]'),
  'negative offsets': (pack({'w': entry(-8, 0)}, DATA), r'offsets \[-8, 0\]'),
  'wrong offsets': (pack({'w': entry(0, 4)}, DATA), 'takes 8 bytes, and has 4'),
  'values cut off': (pack({'w': entry()}, DATA[:5]), 'the file is cut off'),
  'values too many': (pack({'w': entry()}, DATA + b'x'), 'are of no leaf'),
  'an overlap': (
    pack({'a': entry(), 'b': entry(4, 12)}, bytes(12)),
    "'b' overlaps leaf 'a'",
  ),
  'a gap': (
    pack({'a': entry(), 'b': entry(12, 20)}, bytes(20)),
    "'b' leaves a gap after leaf 'a'",
  ),
  'metadata of numbers': (
    pack({'__metadata__': {'a': 1}, 'w': entry()}, DATA),
    'no object of texts',
  ),
  'a name that is a path': (pack({'../w': entry()}, DATA), 'no name'),
  'an absolute name': (pack({'/etc/w': entry()}, DATA), 'no name'),
  'a name with a zero': (pack({'a\0b': entry()}, DATA), 'a control character'),
  'a name with a backslash': (pack({'a\\w': entry()}, DATA), 'a backslash'),
  'a name with no part': (pack({'a..w': entry()}, DATA), 'no name'),
  'a name too long': (pack({'w' * 2000: entry()}, DATA), '1024 characters'),
  'half a character': (
    pack(b'{"\\ud800": %s}' % json.dumps(entry()).encode(), DATA),
    'is no Unicode',
  ),
}


@pytest.mark.parametrize('kind', FILES)
def test_a_damaged_file_is_named(tmp_path, kind):
  content, message = FILES[kind]
  path = tmp_path / 'model.safetensors'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=message) as raised:
    lazy.open(tmp_path)
  assert str(path) in str(raised.value)
  assert '\n' not in str(raised.value)


def index(folder, places, more=''):
  (folder / lazy.INDEX).write_text(json.dumps({'weight_map': places}) + more)
  return folder


def shard(folder, name='a.safetensors', leaf='w'):
  (folder / name).write_bytes(pack({leaf: entry()}, DATA))


@pytest.mark.parametrize(
  ('places', 'message'),
  [
    ({'w': 'b.safetensors'}, 'b.safetensors is missing'),
    ({'w': '../a.safetensors'}, 'only files in that folder'),
    ({'w': '/a.safetensors'}, 'only files in that folder'),
    ({'w': 'a.bin'}, "'a.bin', no safetensors file"),
    ({'w': 7}, "'7', no safetensors file"),
    ({'v': 'a.safetensors'}, r"missing \['v'\], unexpected \['w'\]"),
    ([], 'no JSON object with a weight_map'),
  ],
)
def test_an_index_that_is_wrong(tmp_path, places, message):
  shard(tmp_path)
  with pytest.raises(ValueError, match=message):
    lazy.open(index(tmp_path, places))


def test_an_index_that_is_cut_off(tmp_path):
  index(tmp_path, {'w': 'a.safetensors'}, more='}')
  with pytest.raises(ValueError, match='is no JSON object'):
    lazy.open(tmp_path)


def test_an_index_that_names_a_leaf_twice(tmp_path):
  text = '{"weight_map": {"w": "a.safetensors", "w": "a.safetensors"}}'
  (tmp_path / lazy.INDEX).write_text(text)
  with pytest.raises(ValueError, match="'w' is there twice"):
    lazy.open(tmp_path)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(tmp_path):
  inside, outside = tmp_path / 'in', tmp_path / 'out'
  for folder in (inside, outside):
    folder.mkdir()
  shard(outside)
  (inside / 'a.safetensors').symlink_to(outside / 'a.safetensors')
  index(inside, {'w': 'a.safetensors'})
  with pytest.raises(ValueError, match=r'a link out of its folder.*cp -rL'):
    lazy.open(inside)
  shard(inside, 'real.safetensors')
  (inside / 'a.safetensors').unlink()
  (inside / 'a.safetensors').symlink_to('real.safetensors')
  assert list(lazy.open(inside).leaves) == ['w']


def test_a_pipe_is_not_read(tmp_path):
  os.mkfifo(tmp_path / 'model.safetensors')
  with pytest.raises(ValueError, match='is no plain file'):
    lazy.open(tmp_path)


@pytest.mark.parametrize('suffix', ['.bin', '.pt', '.pth', '.ckpt', '.pkl'])
def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path, suffix):
  path = tmp_path / f'pytorch_model{suffix}'
  path.write_bytes(pickle.dumps({'w': 1}))
  for place in (path, tmp_path):
    with pytest.raises(ValueError, match=r'is a pickle.*save_file'):
      lazy.open(place)


def zipped(path, members):
  with zipfile.ZipFile(path, 'w') as archive:
    for name, content in members.items():
      archive.writestr(name, content)


def test_an_npz_of_objects_is_refused(tmp_path):
  path = tmp_path / 'x.npz'
  np.savez(path, w=np.array([{}], object))
  with pytest.raises(
    ValueError, match=r"'w.npy' has dtype object, which is no"
  ):
    lazy.open(path)


def test_an_npz_that_is_none(tmp_path):
  path = tmp_path / 'x.npz'
  path.write_bytes(b'PK')
  with pytest.raises(ValueError, match=r'cannot be read as \.npz'):
    lazy.open(path)


def test_an_npz_whose_member_is_cut_off(tmp_path):
  path = tmp_path / 'x.npz'
  np.savez(path, w=np.ones(4))
  with zipfile.ZipFile(path) as archive:
    content = archive.read('w.npy')
  zipped(path, {'w.npy': content[:-1]})
  with pytest.raises(ValueError, match=r"'w.npy' takes 160 bytes, and has 159"):
    lazy.open(path)


def test_a_folder_with_nothing_says_what_it_holds(tmp_path):
  (tmp_path / 'notes.txt').write_text('')
  with pytest.raises(ValueError, match=r"no checkpoint.*\['notes.txt'\]"):
    lazy.open(tmp_path)


def test_what_is_not_there(tmp_path):
  with pytest.raises(FileNotFoundError, match='There is no'):
    lazy.open(tmp_path / 'nothing')
