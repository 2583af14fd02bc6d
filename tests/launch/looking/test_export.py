import builtins
import csv
import io
import json
import math
import sqlite3

import pytest

from paramspace.launch import errors
from paramspace.launch import index
from paramspace.launch import records
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import export


def fill(place):
  """Three points in this order: done, diverged, pending."""
  folders = [
    place.finish(result={'loss': 0.1 + 0.2, 'curve': [1, 2]}, name='a,"b'),
    place.finish('diverged', result={'loss': math.nan}, name='é\n'),
    place.begin(name=''),
  ]
  place.list(*folders)
  return [f.name for f in folders]


def test_csv_has_a_row_for_each_point_and_all_digits(place, look):
  names = fill(place)
  code, out, err = look('export')
  assert (code, err) == (errors.DONE, '')
  rows = list(csv.DictReader(io.StringIO(out, newline='')))
  assert [r['id'] for r in rows] == names
  assert [r['status'] for r in rows] == ['done', 'diverged', 'pending']
  assert [r['config.name'] for r in rows] == ['a,"b', 'é\n', '']
  assert [r['config.dims'] for r in rows] == ['[1, 2]'] * 3
  assert [r['config.execution.jobs'] for r in rows] == ['1'] * 3
  assert [r['result.loss'] for r in rows] == ['0.30000000000000004', 'nan', '']
  assert [r['result.curve'] for r in rows] == ['[1, 2]', '', '']


def test_lines_of_json_are_read_back_as_they_were(place, look):
  fill(place)
  lines = look('export', '--format=jsonl')[1].splitlines()
  rows = [records.loads(line) for line in lines]
  expected = export.rows(directories.look(place.path))
  assert [r.keys() for r in rows] == [r.keys() for r in expected]
  assert math.isnan(rows[1].pop('result.loss'))
  assert math.isnan(expected[1].pop('result.loss'))
  assert rows == expected


def test_parquet_has_types(place, look, tmp_path):
  parquet = pytest.importorskip('pyarrow.parquet')
  fill(place)
  place.finish(result={'loss': 1, 'curve': 'none', 'n': 2**70}, name='b')
  out = tmp_path / 'points.parquet'
  assert look('export', '--format', 'parquet', '--out', out)[0] == errors.DONE
  table = parquet.read_table(out).to_pydict()
  assert table['result.loss'][0] == 0.1 + 0.2
  assert table['result.loss'][2] is None
  assert math.isnan(table['result.loss'][1])
  assert table['config.dims'] == [[1, 2]] * 4
  assert table['result.n'][-1] == str(2**70)
  assert set(table['result.curve']) == {'[1, 2]', '', 'none'}


def test_parquet_without_its_package_names_the_extra(
  place, look, monkeypatch, tmp_path
):
  def refuse(name, *rest, **kwargs):
    if name.startswith('pyarrow'):
      raise ModuleNotFoundError(name)
    return real(name, *rest, **kwargs)

  real = builtins.__import__
  monkeypatch.setattr(builtins, '__import__', refuse)
  fill(place)
  out = tmp_path / 'points.parquet'
  code, _, err = look('export', '--format=parquet', '--out', out)
  assert code == errors.USAGE
  assert 'pip install paramspace[parquet]' in err
  assert not out.exists()


@pytest.mark.parametrize(
  ('options', 'what'),
  [
    (['--format=parquet'], 'name a file with --out'),
    (['--format=csvv'], "did you mean 'csv'"),
    (['--out=/proc/x'], 'Cannot write to /proc/x'),
  ],
)
def test_an_export_that_cannot_be_is_one_line(place, look, options, what):
  fill(place)
  code, out, err = look('export', *options)
  assert (code, out) == (errors.USAGE, '')
  (line,) = err.splitlines()
  assert what in line


def ask(place, question):
  connection = index.connect(place.path)
  try:
    return connection.execute(question).fetchall()
  finally:
    connection.close()


def test_the_index_answers_questions(place):
  names = fill(place)
  found = ask(place, 'SELECT id, status, executor, seconds FROM points')
  assert found == [
    (names[0], 'done', 'inline', 0.5),
    (names[1], 'diverged', 'inline', 0.5),
    (names[2], 'pending', None, None),
  ]
  ((config, result),) = ask(
    place, "SELECT config, result FROM points WHERE status = 'done'"
  )
  assert json.loads(config)['name'] == 'a,"b'
  assert json.loads(result) == {'loss': 0.1 + 0.2, 'curve': [1, 2]}
  assert ask(place, 'SELECT id FROM wide WHERE "result.loss" > 0.2') == [
    (names[0],)
  ]


def test_the_index_is_made_anew_only_if_something_has_changed(place):
  fill(place)
  path = index.rebuild(place.path)
  before = path.stat().st_mtime_ns
  ask(place, 'SELECT 1 FROM points')
  assert path.stat().st_mtime_ns == before
  place.finish(name='')
  assert len(ask(place, "SELECT id FROM points WHERE status = 'done'")) == 2
  assert path.stat().st_mtime_ns != before


def test_a_result_that_was_changed_in_place_is_seen(place):
  folder = place.finish()
  index.rebuild(place.path)
  with (folder / 'result.json').open('a') as file:
    file.write('!')
  assert ask(place, 'SELECT status FROM points') == [('pending',)]


def test_a_process_that_dies_is_seen(place, claim):
  process = claim(place.begin())
  index.rebuild(place.path)
  assert ask(place, 'SELECT status FROM points') == [('running',)]
  process.kill()
  process.wait()
  assert ask(place, 'SELECT status FROM points') == [('pending',)]


@pytest.mark.parametrize('content', [b'', b'no database', None])
def test_a_damaged_index_is_made_anew(place, content):
  fill(place)
  path = index.rebuild(place.path)
  if content is None:
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
  path.write_bytes(content)
  assert len(ask(place, 'SELECT * FROM wide')) == 3


def test_a_place_where_nothing_can_be_written_has_an_index_too(place):
  fill(place)
  (place.path / index.NAME).mkdir()  # Which no file can replace.
  assert len(ask(place, 'SELECT * FROM wide')) == 3


def test_keys_that_sqlite_takes_for_one_have_a_column_each(place):
  place.finish(result={'x': 1, 'X': 2, 'a "b"; DROP TABLE points': 2**70})
  ((x, y, z),) = ask(
    place,
    'SELECT "result.x", "result.X_", "result.a ""b""; DROP TABLE points" '
    'FROM wide',
  )
  assert (x, y, z) == (1, 2, str(2**70))


def test_nobody_writes_to_the_index(place):
  fill(place)
  with pytest.raises(sqlite3.OperationalError, match='readonly'):
    ask(place, 'DELETE FROM points')


def test_a_sweep_without_points_has_an_index(place):
  place.list()
  assert ask(place, 'SELECT * FROM wide') == []
