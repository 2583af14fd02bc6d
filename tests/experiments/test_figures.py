import json
import math

import numpy as np
import pytest
from matplotlib import figure

from experiments.figures import chaos
from experiments.figures import gressmann2020
from experiments.figures import intrinsic_dimension
from experiments.figures import li2018
from experiments.figures import networks
from experiments.figures import redrawn

FIGURES = (intrinsic_dimension, networks, redrawn)


def result(
  dim=0, seed=0, accuracy=0.98, *, size=199_210, status='done', **config
):
  """A result of the study; dimension 0 stands for direct training."""
  config = {
    'data': 'mnist',
    'model.name': 'fc',
    'model.depth': 2,
    'model.width': 200,
    'shuffled_pixels': False,
    'method.name': 'reparam.hadamard',
    'rebase_every': 0,
    'dim': dim or 250,
    'direct': not dim,
    'seed': seed,
    **config,
  }
  return {
    'id': f'{dim}-{seed}',
    'status': status,
    'config': config,
    'result': {'test_accuracy': accuracy, 'D': size},
  }


def curve(shift=0.0, **config):
  """Three runs at each of three dimensions; crosses 0.9 at d = 100."""
  means = {10: 0.5, 100: 0.9, 1000: 0.95}
  return [
    result(dim, seed, mean + shift + 0.01 * (seed - 1), **config)
    for dim, mean in means.items()
    for seed in range(3)
  ]


DIRECT = [result(seed=seed, accuracy=0.95 + 0.01 * seed) for seed in range(3)]


def drawing(module, rows):
  axes = figure.Figure().subplots()
  module.draw(rows, axes)
  axes.figure.draw_without_rendering()
  return axes


def texts(axes):
  legend = axes.get_legend()
  return ' '.join(t.get_text() for t in [*axes.texts, *legend.get_texts()])


def test_a_table_has_a_row_for_each_dimension_and_for_direct_training():
  rows = intrinsic_dimension.table([*DIRECT, *curve()])
  assert [row['dim'] for row in rows] == [0, 10, 100, 1000]
  direct, first = rows[:2]
  assert direct['method'] == 'direct'
  assert math.isclose(direct['mean'], 0.96)
  assert first['task'] == 'MNIST FC 2x200'
  assert (first['n'], first['diverged'], first['D']) == (3, 0, 199_210)
  assert (first['min'], first['max']) == (0.49, 0.51)
  assert math.isclose(first['threshold_baseline'], 0.9 * 0.96)


def test_a_run_that_was_stopped_is_counted_with_its_task():
  stopped = result(10, 3, status='diverged')
  stopped['result'] = {'reason': 'train_loss is nan at step 9.'}
  rows = intrinsic_dimension.table([stopped, *DIRECT, *curve()])
  (row,) = [r for r in rows if r['dim'] == 10]
  assert (row['n'], row['diverged'], row['D']) == (3, 1, 199_210)


def test_a_table_does_not_depend_on_the_order_of_results():
  results = [*DIRECT, *curve()]
  mixed = [results[0], *results[:0:-1]]
  for row, other in zip(
    *map(intrinsic_dimension.table, (results, mixed)), strict=True
  ):
    assert row['dim'] == other['dim']
    assert sorted(row['accuracies'].split()) == sorted(
      other['accuracies'].split()
    )


def test_a_diverged_run_is_counted_and_left_out_of_the_mean():
  lost = result(10, 3, math.nan, status='diverged')
  rows = intrinsic_dimension.table([*curve(), lost])
  assert (rows[0]['n'], rows[0]['diverged']) == (3, 1)
  assert math.isclose(rows[0]['mean'], 0.5)


def test_a_failed_run_is_left_out():
  failed = result(10, 3, status='failed')
  assert intrinsic_dimension.table([*curve(), failed])[0]['n'] == 3


def test_both_criteria_give_an_intrinsic_dimension():
  found = intrinsic_dimension.summary([*DIRECT, *curve()])
  value, low, high = found['d_int90_absolute']
  assert math.isclose(value, 100)
  assert low < value < high
  # The baseline asks for 0.9 * 0.96, which is 0.364 of the way up in log d.
  share = (0.9 * 0.96 - 0.5) / 0.4
  assert math.isclose(found['d_int90_baseline'][0], 10 ** (1 + share))
  assert math.isclose(found['baseline_accuracy'], 0.96)
  assert found['D'] == 199_210


def test_without_direct_runs_there_is_no_baseline():
  found = intrinsic_dimension.summary(curve())
  assert sorted(found) == ['D', 'd_int90_absolute']
  assert intrinsic_dimension.table(curve())[0]['threshold_baseline'] is None


def test_a_curve_that_never_reaches_has_no_finite_dimension():
  found = intrinsic_dimension.summary(curve(shift=-0.2))
  assert found['d_int90_absolute'] == (math.inf, math.inf, math.inf)


def test_several_curves_are_told_apart_in_the_summary():
  hashed = curve(shift=-0.04, **{'method.name': 'reparam.hashed'})
  found = intrinsic_dimension.summary([*DIRECT, *curve(), *hashed])
  better = found['MNIST FC 2x200/hadamard/d_int90_absolute'][0]
  assert better < found['MNIST FC 2x200/hashed/d_int90_absolute'][0]


def test_results_that_no_figure_tells_apart_are_an_error():
  other = curve(**{'optimizer.learning_rate': 0.1})
  with pytest.raises(ValueError, match=r'differ in optimizer\.learning_rate'):
    intrinsic_dimension.table([*curve(), *other])


def test_tasks_have_the_names_of_the_published_curves():
  lenet = {'model.name': 'lenet', 'model.depth': None}
  cases = [
    result(10),
    result(10, **lenet),
    result(10, data='cifar10', **lenet),
    result(10, shuffled_pixels=True, **lenet),
    result(10, rebase_every=1),
    result(10, rebase_every=20),
  ]
  rows = intrinsic_dimension.table(cases)
  assert [row['task'] for row in rows[:3]] == list(li2018.CURVES)
  assert rows[3]['task'] == 'MNIST shuffled pixels LeNet'
  assert rows[4]['method'] == 'hadamard redrawn'
  assert rows[5]['method'] == 'hadamard redrawn every 20 steps'


def test_a_drawing_names_curve_criteria_and_paper():
  rows = intrinsic_dimension.table([*DIRECT, *curve()])
  axes = drawing(intrinsic_dimension, rows)
  written = texts(axes)
  assert axes.get_xscale() == 'log'
  assert axes.get_title('left') == 'MNIST FC 2x200, D = 199,210'
  assert 'hadamard, mean of 3 runs' in written
  assert '0.9 of perfect: d = 100' in written
  assert '0.9 of direct (0.864)' in written
  assert 'Li et al. 2018' in written


def test_a_drawing_needs_only_rows_that_went_through_a_file():
  rows = intrinsic_dimension.table([*DIRECT, *curve()])
  again = json.loads(json.dumps(rows))
  assert texts(drawing(intrinsic_dimension, again)) == texts(
    drawing(intrinsic_dimension, rows)
  )


@pytest.mark.parametrize('module', FIGURES)
def test_a_sweep_of_which_every_run_diverged_is_still_drawn(module):
  lost = [result(10, s, math.nan, status='diverged') for s in range(2)]
  rows = module.table(lost)
  drawing(module, rows)
  module.summary(lost)


def test_networks_are_compared_by_size():
  small = {'model.width': 50, 'size': 42_310}
  results = [*curve(), *curve(shift=0.1, **small)]
  rows = networks.table(results)
  assert [row['D'] for row in rows] == [42_310, 199_210]
  assert rows[0]['d_int90_absolute'] < rows[1]['d_int90_absolute']
  assert rows[0]['d_int90_baseline'] is None
  found = networks.summary(results)
  assert math.isclose(found['D_ratio'], 199_210 / 42_310)
  ratio = rows[1]['d_int90_absolute'] / rows[0]['d_int90_absolute']
  assert math.isclose(found['d_int90_absolute_ratio'], ratio)
  assert found['d_int90_baseline_ratio'] == math.inf
  assert found['networks'] == 2
  written = texts(drawing(networks, rows))
  assert f'0.9 of perfect: max/min = {ratio:.2f}' in written
  assert 'Li et al. 2018' in written


def bases(**config):
  runs = lambda dim, mean, **more: [
    result(dim, seed, mean + 0.01 * seed, **more, **config) for seed in range(3)
  ]
  return [*runs(0, 0.95), *runs(250, 0.78), *runs(250, 0.9, rebase_every=1)]


def test_bases_are_compared_with_the_papers_where_the_network_is_the_papers():
  rows = redrawn.table(bases(**{'model.depth': 1, 'model.width': 128}))
  assert [row['basis'] for row in rows] == ['fixed', 'redrawn', 'direct']
  assert [row['paper'] for row in rows] == [0.8, 0.939, 0.983]
  axes = drawing(redrawn, rows)
  assert axes.get_title('left') == 'MNIST FC 1x128, d = 250'
  assert gressmann2020.LABEL in texts(axes)
  assert {row['paper'] for row in redrawn.table(bases())} == {None}


def test_bases_are_summarized_with_intervals():
  found = redrawn.summary(bases())
  value, low, high = found['redrawn_accuracy']
  assert math.isclose(value, 0.91)
  assert low < value < high
  assert sorted(found) == [
    'direct_accuracy',
    'fixed_accuracy',
    'redrawn_accuracy',
  ]


def test_bases_of_two_dimensions_are_not_mixed():
  with pytest.raises(ValueError, match=r"More than one row.*'fixed'"):
    redrawn.summary([*bases(), result(500)])


def test_published_networks_have_the_papers_two_ratios():
  sizes, dims = zip(*li2018.NETWORKS.items(), strict=True)
  assert len(sizes) == 20
  assert math.isclose(max(sizes) / min(sizes), 24.135, abs_tol=1e-3)
  assert math.isclose(max(dims) / min(dims), 1.333, abs_tol=1e-3)
  expected = [
    784 * w + w + (depth - 1) * (w * w + w) + 10 * w + 10
    for depth in range(1, 6)
    for w in (50, 100, 200, 400)
  ]
  assert sorted(sizes) == sorted(expected)


def test_published_curves_rise_to_the_published_dimension():
  for task, dim in {'MNIST LeNet': 290, 'CIFAR-10 LeNet': 2900}.items():
    points = li2018.CURVES[task]
    limit = 0.9 if 'MNIST' in task else 0.9 * li2018.DIRECT[task]
    first = next(d for d, accuracy in points.items() if accuracy > limit)
    assert first == dim
    assert np.all(np.diff(list(points)) > 0)


@pytest.mark.parametrize('module', FIGURES)
def test_the_printed_columns_are_columns_of_the_table(module):
  rows = module.table([*DIRECT, *curve()])
  assert set(module.COLUMNS) <= rows[0].keys()


def test_the_storm_counts_what_holds_apart_from_what_is_measured():
  checks = [
    {'check': 'digests', 'found': [1], 'allowed': '[1]', 'holds': True},
    {'check': 'exit code', 'found': 4, 'allowed': '1', 'holds': False},
    {'check': 'kills', 'found': 50},
    {
      'check': 'ratio',
      'quantity': 'overhead_fc',
      'found': 1.2,
      'allowed': 'at most 1.03',
      'holds': False,
    },
  ]
  results = [{'config': {'part': 'kills'}, 'result': {'checks': checks}}]
  rows = chaos.table(results)
  assert [r['found'] for r in rows] == ['[1]', 4, 50, 1.2]
  assert [r['holds'] for r in rows] == [True, False, '', False]
  assert chaos.summary(results) == {
    'checks': 2,
    'share_that_holds': 0.5,
    'overhead_fc': 1.2,
  }
  axes = figure.Figure().subplots()
  chaos.draw(rows, axes)
  assert [p.get_width() for p in axes.patches] == [1, 2]
