import math

import numpy as np
import pytest

from paramspace.launch import metrics
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


def test_metrics_are_read_as_they_were_logged(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  metrics.append(path, 1, {'loss': np.float32(0.1)})
  metrics.append(path, np.int32(2), {'loss': 0.5})
  assert metrics.read(path) == [
    {'step': 1, 'loss': float(np.float32(0.1))},
    {'step': 2, 'loss': 0.5},
  ]


def test_metrics_that_are_not_there_are_none(tmp_path):
  assert metrics.read(tmp_path / 'metrics.jsonl') == []
  metrics.truncate(tmp_path / 'metrics.jsonl', 3)
  assert not (tmp_path / 'metrics.jsonl').exists()


def test_a_torn_last_line_is_no_row_and_goes_on_truncation(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  for step in (1, 2, 3):
    metrics.append(path, step, {})
  whole = path.read_bytes()
  path.write_bytes(whole + b'{"step": 4, "lo')
  assert [r['step'] for r in metrics.read(path)] == [1, 2, 3]
  metrics.truncate(path, 3)
  assert path.read_bytes() == whole


def test_truncation_keeps_the_bytes_of_what_it_keeps(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  metrics.append(path, 1, {'loss': 0.1, 'worst': math.nan})
  whole = path.read_bytes()
  metrics.append(path, 2, {'loss': 0.2})
  metrics.truncate(path, 1)
  assert path.read_bytes() == whole


def test_a_broken_line_in_the_middle_is_named(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
  with pytest.raises(ValueError, match='line 2 is not JSON'):
    metrics.read(path)
