import math

import numpy as np
import pytest

from paramspace.launch import metrics


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'metrics.jsonl'


def row(step, **values):
  return {'step': step, **values}


def steps(path):
  return [r['step'] for r in metrics.read(path)]


def test_metrics_are_read_as_they_were_logged(path):
  metrics.append(path, [row(1, loss=np.float32(0.1)), row(2, loss=0.5)])
  metrics.append(path, [row(3, loss=math.inf)])
  assert metrics.read(path) == [
    row(1, loss=float(np.float32(0.1))),
    row(2, loss=0.5),
    row(3, loss=math.inf),
  ]


def test_metrics_that_are_not_there_are_none(path):
  assert metrics.read(path) == []
  metrics.truncate(path, 3)
  metrics.append(path, [])
  assert not path.exists()


TORN = [
  b'{"step": 4, "lo',
  b'{"step": 4}',  # Whole, but for the newline.
  '{"step": 4, "naïve'.encode()[:-3],  # In the middle of a character.
  b'{"step": 4' + b' ' * 200_000,
]


@pytest.mark.parametrize('torn', TORN)
def test_a_torn_last_line_is_no_row(path, torn):
  metrics.append(path, [row(t) for t in (1, 2, 3)])
  whole = path.read_bytes()
  path.write_bytes(whole + torn)
  assert steps(path) == [1, 2, 3]
  metrics.truncate(path, 3)
  assert path.read_bytes() == whole


@pytest.mark.parametrize('torn', TORN)
def test_a_row_is_never_glued_to_a_torn_line(path, torn):
  path.write_bytes(torn)
  metrics.append(path, [row(5)])
  assert path.read_bytes() == b'{"step": 5}\n'
  path.write_bytes(b'{"step": 3}\n' + torn)
  metrics.append(path, [row(5)])
  assert path.read_bytes() == b'{"step": 3}\n{"step": 5}\n'


def test_a_row_of_the_last_step_is_merged_into_it(path):
  metrics.append(path, [row(1, a=1), row(2, a=2)])
  metrics.append(path, [row(2, b=3), row(3, a=4)])
  assert metrics.read(path) == [row(1, a=1), row(2, a=2, b=3), row(3, a=4)]


def test_rows_of_an_earlier_start_are_replaced(path):
  metrics.append(path, [row(t, start=1) for t in range(1, 7)])
  metrics.append(path, [row(3, start=2), row(4, start=2)])
  assert [(r['step'], r['start']) for r in metrics.read(path)] == [
    (1, 1),
    (2, 1),
    (3, 2),
    (4, 2),
  ]


def test_truncation_keeps_the_bytes_of_what_it_keeps(path):
  metrics.append(path, [row(1, loss=0.1, worst=math.nan)])
  whole = path.read_bytes()
  metrics.append(path, [row(2, loss=0.2)])
  metrics.truncate(path, 1)
  assert path.read_bytes() == whole


def test_a_broken_line_in_the_middle_is_named(path):
  path.write_bytes(b'{"step": 1}\n{"st\n{"step": 3}\n')
  with pytest.raises(ValueError, match='line 2 is not JSON'):
    metrics.read(path)
  path.write_bytes(b'{"step": 1}\n{"step": 2}\xff\n')
  with pytest.raises(ValueError, match='line 2 is not JSON'):
    metrics.read(path)
