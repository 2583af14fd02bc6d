import math
import threading

import numpy as np
import pytest

from paramspace.launch import records


def test_what_is_written_is_read_back(tmp_path):
  value = {'a': [1, 2.5, None, True, 'x'], 'b': {'c': 1e-300}}
  records.write(tmp_path / 'deep' / 'x.json', value)
  assert records.read(tmp_path / 'deep' / 'x.json') == value
  assert [p.name for p in (tmp_path / 'deep').iterdir()] == ['x.json']


def test_numbers_that_json_lacks_survive_as_strict_json(tmp_path):
  records.write(tmp_path / 'x.json', [math.inf, -math.inf, math.nan])
  text = (tmp_path / 'x.json').read_text()
  assert '"Infinity"' in text and '"-Infinity"' in text and '"NaN"' in text
  high, low, nan = records.read(tmp_path / 'x.json')
  assert (high, low) == (math.inf, -math.inf) and math.isnan(nan)


@pytest.mark.parametrize('dtype', ['float32', 'float16', 'int8', 'bool'])
def test_numpy_numbers_are_exact(dtype):
  value = np.asarray([0.1]).astype(dtype)
  assert np.asarray(records.loads(records.dumps(value)), dtype) == value[0]


@pytest.mark.parametrize('value', [np.zeros(3), object(), {1}, b'x'])
def test_what_is_not_a_number_is_an_error(value):
  with pytest.raises(TypeError, match='is not a number'):
    records.dumps({'x': value})


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
  records.write(tmp_path / 'x.json', 1)

  def fail(file):
    raise OSError('disk full')

  monkeypatch.setattr('os.fsync', fail)
  with pytest.raises(OSError, match='disk full'):
    records.write(tmp_path / 'x.json', 2)
  assert records.read(tmp_path / 'x.json') == 1


@pytest.mark.parametrize('text', ['', '{"a": 1', 'no json'])
def test_a_torn_record_is_no_record(tmp_path, text):
  (tmp_path / 'x.json').write_text(text)
  assert records.read(tmp_path / 'x.json') is None


def test_an_absent_record_is_no_record(tmp_path):
  assert records.read(tmp_path / 'x.json') is None


def test_a_seal_breaks_when_anything_changes():
  sealed = records.seal({'a': [1, {'b': math.nan}], 'c': 'x'})
  assert records.sealed(records.loads(records.dumps(sealed)))
  assert records.sealed(dict(reversed(sealed.items())))
  for changed in (
    sealed | {'c': 'y'},
    sealed | {'d': None},
    sealed | {'a': [1, {'b': math.inf}]},
    {k: v for k, v in sealed.items() if k != 'c'},
    {k: v for k, v in sealed.items() if k != 'sha256'},
    [],
    None,
  ):
    assert not records.sealed(changed)


def test_two_may_write_the_same_file_at_once(tmp_path):
  path = tmp_path / 'x.json'

  def write(i):
    for _ in range(50):
      records.write(path, [i] * 1000)

  threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
  with pytest.MonkeyPatch.context() as patch:
    failed = []
    patch.setattr(threading, 'excepthook', failed.append)
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
  assert not failed
  assert len(set(records.read(path))) == 1
  assert [p.name for p in tmp_path.iterdir()] == ['x.json']
