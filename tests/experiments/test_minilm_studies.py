import pathlib

import jax
import pytest
from matplotlib import figure

from experiments.sentence_finetuning import tuned
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import run as runs
from paramspace.launch import study as studies

ROOT = pathlib.Path(__file__).parents[2] / 'configs'
STUDIES = (
  'merging/minilm_tasks',
  'deltas/minilm_drop_rate',
  'deltas/minilm_grafting',
)


@pytest.fixture(autouse=True, scope='module')
def promotion():
  """Optax's bias correction raises a float to the power of an integer."""
  with jax.numpy_dtype_promotion('standard'):
    yield


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """Returns one folder, so that encoders are fine-tuned once."""
  return tmp_path_factory.mktemp('minilm')


@pytest.fixture
def measured(tiny_sentences, workdir):
  """Runs one point of a config, smaller, and returns what a figure gets."""

  def measure(name, **changes):
    module = configs.load(ROOT / f'{name}.py')
    config = module.get_config('smoke').lock()
    point = points.point(configs.override(config, changes))
    run = runs.Run(runs.directory(workdir, point), point.config)
    result = studies.load(config.study).run(point.config, run)
    return {'config': dict(point.flat), 'status': 'done', 'result': result}

  return measure


def drawn(name, results):
  module = configs.load(ROOT / f'{name}.py')
  shown = studies.module(module.FIGURE, 'figure')
  rows = shown.table(results)
  shown.draw(rows, figure.Figure().add_subplot())
  return rows, shown.summary(results)


@pytest.mark.parametrize('scale', ['smoke', 'laptop', 'paper'])
@pytest.mark.parametrize('name', STUDIES)
def test_studies_share_what_is_fine_tuned(name, scale):
  tuning = configs.load(ROOT / 'merging/minilm_finetuning.py')
  base = tuning.get_config(scale).lock()
  there = {
    points.point(configs.override(base, changes)).id
    for changes in tuning.sweep(scale)
  }
  config = configs.load(ROOT / f'{name}.py').get_config(scale)
  needed = {
    points.point(tuned.finetuning(config, task, 0)).id for task in config.tasks
  }
  assert needed <= there


def test_every_way_to_merge_is_measured_and_drawn(measured):
  name = 'merging/minilm_tasks'
  choice = dict(method='task_arithmetic', coefficient='scale')
  results = [
    measured(name, method='pretrained'),
    measured(name, **choice, choices=(0.0,)),
    measured(name, method='single_task'),
    measured(name, **choice, choices=(0.0, 0.5)),
    measured(name, method='fisher'),
    measured(
      name, method='regmean', coefficient='off_diagonal', choices=(0.5, 0.9)
    ),
    measured(name, method='ties', drop=0.5),
    measured(name, method='opcm', orders=2),
    measured(name, method='adamerging'),
  ]
  first, nothing, *_, chosen = (x['result'] for x in results[:4])
  assert first['accuracies'] == nothing['accuracies']
  tried = dict(chosen['tried'])
  assert chosen['validation'] == max(tried.values()) and len(tried) == 2
  assert len(results[7]['result']['accuracies']) == 2
  rows, summary = drawn(name, [*results[:1], *results[2:]])
  means = [row['mean'] for row in rows]
  assert means == sorted(means) and len(rows) == 8
  assert summary['opcm_orders'] >= 0
  assert summary['pretrained'][0] == first['accuracy']


def test_an_unknown_way_to_merge_is_a_usage_error(measured):
  with pytest.raises(errors.UsageError, match="did you mean 'ties'"):
    measured('merging/minilm_tasks', method='tie')


def test_every_way_to_drop_is_measured_and_drawn(measured):
  name, results = 'deltas/minilm_drop_rate', []
  for method in ('dare', 'drop_only', 'magnitude'):
    found = measured(name, task='trec', method=method, rates=(0.0, 1.0))
    of = found['result']
    assert of['accuracies'] == [of['tuned'], of['pretrained']]
    results.append(found)
  for method in ('q_by_score', 'q_by_change', 'q_analytic'):
    found = measured(name, task='trec', method=method, rates=(0.9,))
    (q,) = found['result']['q']
    assert 0.0999 < q <= 1
    results.append(found)
  results.append(measured(name, task='trec', tuning='toward_base'))
  deltas = [x['result']['delta_rms'] for x in results]
  assert deltas[-1] != deltas[0] == deltas[1] > 0
  rows, summary = drawn(name, results)
  assert len(rows) == 3 * 2 + 3 + 2
  assert summary['usual_dare_0_lost'] == 0


def test_every_mask_is_grafted_and_drawn(measured):
  name = 'deltas/minilm_grafting'
  whole = measured(name, density=1.0)['result']
  assert whole['grafted_trec'] == whole['tuned_trec']
  results = [
    measured(name, mask=mask, density=0.1)
    for mask in ('learned', 'top_movement', 'random')
  ]
  for entry in results:
    overlap = entry['result']['overlap']
    assert [overlap[i][i] for i in range(4)] == [1.0] * 4
  assert 0.05 < results[2]['result']['overlap'][0][1] < 0.2
  rows, summary = drawn(name, results)
  assert [row['mask'] for row in rows] == ['learned', 'random', 'top_movement']
  assert 0.05 < summary['random_0.1_overlap'] < 0.15
