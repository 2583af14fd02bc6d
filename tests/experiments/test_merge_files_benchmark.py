"""What merging files costs, at a size where that says nothing."""

import pathlib
import sys

import ml_dtypes
import numpy as np
import pytest
from matplotlib import figure

from experiments.benchmarks import merge_files as benchmark
from experiments.benchmarks.merge_files import checkpoints
from experiments.benchmarks.merge_files import commands
from experiments.benchmarks.merge_files import differences
from experiments.benchmarks.merge_files import pages
from experiments.benchmarks.merge_files import processes
from experiments.figures import merge_files_speed
from paramspace.files import lazy
from paramspace.files import safetensors
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.merging import recipe_files

ROOT = pathlib.Path(__file__).parents[2]
MODULE = configs.load(ROOT / 'configs' / 'benchmarks' / 'merge_files.py')
SHAPE = checkpoints.Shape(**MODULE.SHAPES['smoke'])


@pytest.fixture(scope='module')
def results():
  """One method, at the smallest size, without the peer."""
  config = MODULE.get_config('smoke')
  config.methods = ('linear',)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(commands, 'peer_version', lambda: None)
    patch.setenv('PYTHONPATH', str(ROOT))
    result = benchmark.run(config.lock(), None)
  found = {'status': 'done', 'config': configs.flatten(config)}
  return [found | {'result': result}]


def test_checkpoints_are_what_is_said(tmp_path):
  folders = checkpoints.write(tmp_path, SHAPE, ('m1', 'm2'))
  base, one, two = map(lazy.open, folders.values())
  assert base.leaves.keys() == one.leaves.keys() == two.leaves.keys()
  assert sum(x.size for x in base.leaves.values()) == checkpoints.size(SHAPE)
  assert {x.dtype for x in base.leaves.values()} == {
    np.dtype(ml_dtypes.bfloat16)
  }
  assert len(base.files) == 2
  leaf = 'model/layers/1/mlp/up_proj/weight'
  wide = [t.read(leaf).astype(np.float32) for t in (base, one, two)]
  moved = [x - wide[0] for x in wide[1:]]
  np.testing.assert_allclose(
    [x.std() for x in moved], checkpoints.MOVED, rtol=0.2
  )
  assert abs(np.corrcoef(moved[0].ravel(), moved[1].ravel())[0, 1]) < 0.2
  again = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
  checkpoints.write(tmp_path, SHAPE, ('m1', 'm2'))
  assert again == {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}


@pytest.mark.parametrize('method', pages.PAGES)
def test_every_page_is_one_that_we_read(method, tmp_path):
  checkpoints.write(tmp_path, SHAPE, ('m1', 'm2'))
  page = tmp_path / 'page.yaml'
  page.write_text(pages.page(method, 2, str(tmp_path)))
  plan = recipe_files.read(page)
  assert sorted(plan.models) == ['m1', 'm2']
  assert plan.recipe.config['name'] == f'merging.{pages.PAGES[method].name}'


def test_every_page_is_measured():
  assert MODULE.METHODS == tuple(pages.PAGES)


def test_without_the_peer_ours_is_measured_and_the_way_to_it_is_told(results):
  (row,) = merge_files_speed.table(results)
  assert "'paramspace[benchmark]'" in row['peer'] and 'times' not in row
  assert 0 < row['start_s'] and 0 < row['cat_s'] < row['ours_s']
  assert 0 < row['of_floor_low'] <= row['of_floor'] <= row['of_floor_high']
  assert 10e6 < row['peak_bytes'] and row['passes'] == 1
  assert row['read_bytes'] == 3 * 2 * checkpoints.size(SHAPE)
  assert row['written_bytes'] == 2 * checkpoints.size(SHAPE)


def test_claims_are_about_what_is_summarised(results):
  row = {'times': 2.0, 'times_low': 1.0, 'times_high': 4.0}
  rows = [
    results[0]['result']['rows'][0] | row | {'method': m}
    for m in MODULE.METHODS
  ]
  full = [results[0] | {'result': results[0]['result'] | {'rows': rows}}]
  summary = merge_files_speed.summary(full)
  assert {claim.quantity for claim in MODULE.claim()} <= set(summary)
  assert summary['ties/time'] == (0.5, 0.25, 1.0)
  assert MODULE.claim('smoke') == []


def test_the_figure_has_the_seconds_that_there_are(results):
  axes = figure.Figure().subplots()
  merge_files_speed.draw(merge_files_speed.table(results), axes)
  axes.figure.draw_without_rendering()
  (legend,) = axes.figure.legends
  labels = [text.get_text() for text in legend.get_texts()]
  assert labels == ['ours', '`cat` of the inputs']


def test_a_process_that_fails_says_why(tmp_path):
  script = 'import sys; sys.exit("no such thing")'
  command = commands.Command([sys.executable, '-c', script], tmp_path / 'out')
  with pytest.raises(processes.subprocess.CalledProcessError) as caught:
    processes.measure(command, tmp_path)
  assert b'no such thing' in caught.value.output


def test_the_peak_is_that_of_the_process(tmp_path):
  script = 'x = bytes([1]) * 300_000_000; import time; time.sleep(0.1)'
  command = commands.Command([sys.executable, '-c', script], tmp_path / 'out')
  _, peak = processes.measure(command, tmp_path)
  assert 300e6 < peak < 340e6


def test_differences_are_told_from_ties(tmp_path):
  leaves = {
    'base': [0, 0, 0, 0],
    'm1': [4, 2, -2, 1],  # A trim to half keeps the 4 and one of two.
    'ours': [4, 2, 0, 0],
    'theirs': [4, 0, -2, 0.5],
  }
  for name, values in leaves.items():
    path = tmp_path / f'{name}.safetensors'
    safetensors.save(path, {'w': np.array(values, np.float32)})
  path = lambda name: tmp_path / f'{name}.safetensors'
  given = path('ours'), path('theirs'), path('base'), [path('m1')]
  assert differences.compare(*given, 0.5) == {'difference': 0.125, 'tied': 0.5}
  assert differences.compare(*given, None) == {'difference': 0.5, 'tied': 0}


def test_a_method_that_is_not_there_is_an_error():
  one = MODULE.get_config('smoke')
  one.methods = ('tie',)
  with pytest.raises(errors.UsageError, match="did you mean 'ties'"):
    benchmark.run(one, None)


def test_the_inputs_that_are_copied_are_those_that_are_merged(tmp_path):
  checkpoints.write(tmp_path, SHAPE, ('m1', 'm2'))
  page = tmp_path / 'page.yaml'
  page.write_text(pages.page('linear', 2, str(tmp_path)))
  _, *files = commands.programs(page, theirs=False)['cat'].arguments
  folders = [pathlib.Path(file).parent.name for file in files]
  assert folders == ['base', 'base', 'm1', 'm1', 'm2', 'm2']
