import csv
import math
import types

import pytest

from paramspace.launch import errors
from paramspace.launch import figures
from paramspace.launch import records

RESULTS = [
  {
    'id': name,
    'config': {'study': 'toy', 'data': 'digits', 'seed': seed, 'steps': 9},
    'status': 'done',
    'result': {'data_digest': 'a5'},
    'execution': {'executor': 'vmapped', 'group_size': 2, 'seconds': 1.5},
  }
  for seed, name in enumerate(('abc', 'def'))
]


def module():
  made = types.ModuleType('toy')
  made.table = lambda results: [
    {'dim': 10, 'accuracy': 0.5, 'curve': 'ours'},
    {'dim': 20, 'accuracy': math.nan, 'note': 'a, "b"'},
  ]
  made.summary = lambda results: {'d_int': (12.5, 10.0, math.inf)}
  made.draw = lambda rows, axes: axes.plot(
    [r['dim'] for r in rows], [r['accuracy'] for r in rows]
  )
  return made


def test_a_figure_is_four_files(tmp_path):
  figure = figures.render(
    module(), RESULTS, tmp_path / 'figures' / 'v1.5', 'laptop'
  )
  assert [p.name for p in figure.files] == [
    f'v1.5.{e}' for e in ('svg', 'png', 'csv', 'json')
  ]
  assert figure.files[1].read_bytes().startswith(b'\x89PNG')


def test_the_same_results_give_the_same_bytes(tmp_path):
  first = figures.render(module(), RESULTS, tmp_path / 'a', 'laptop')
  second = figures.render(module(), RESULTS, tmp_path / 'b', 'laptop')
  for one, other in zip(first.files, second.files, strict=True):
    assert one.read_bytes() == other.read_bytes()


def test_the_data_says_which_points_it_is_from(tmp_path):
  figure = figures.render(module(), RESULTS, tmp_path / 'a', 'laptop')
  stored = records.read(tmp_path / 'a.json')
  assert stored['points'] == ['abc', 'def']
  assert stored['summary'] == {'d_int': [12.5, 10.0, math.inf]}
  assert stored['rows'][0] == figure.rows[0]
  assert 'jax' in stored['versions']


def test_the_data_says_how_it_was_made(tmp_path):
  figures.render(module(), RESULTS, tmp_path / 'a', 'laptop')
  stored = records.read(tmp_path / 'a.json')
  assert stored['scale'] == 'laptop'
  assert stored['seconds'] == 1.5  # One program made both.
  assert stored['data'] == {'digits': 'a5'}
  assert stored['config'] == {'study': 'toy', 'data': 'digits', 'steps': 9}
  assert stored['swept'] == {'seed': [0, 1]}


def test_the_csv_has_the_columns_of_all_rows(tmp_path):
  figures.render(module(), RESULTS, tmp_path / 'a', 'laptop')
  with (tmp_path / 'a.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  assert list(rows[0]) == ['dim', 'accuracy', 'curve', 'note']
  assert rows[1]['note'] == 'a, "b"'


def test_drawing_leaves_the_callers_style_alone(tmp_path):
  import matplotlib

  before = dict(matplotlib.rcParams)
  figures.render(module(), RESULTS, tmp_path / 'a', 'laptop')
  assert dict(matplotlib.rcParams) == before


def test_a_module_that_is_not_a_figure_names_what_it_lacks(tmp_path):
  lacking = module()
  del lacking.summary
  with pytest.raises(errors.UsageError, match='toy defines no `summary`'):
    figures.render(lacking, RESULTS, tmp_path / 'a', 'laptop')
