"""Tables of the studies on the pretrained encoder, of results made by hand."""

import json
import math

import pytest
from matplotlib import figure

from experiments.figures import drop_rate
from experiments.figures import grafting
from experiments.figures import minilm_tasks
from experiments.figures import subspace_step


def done(result, **config):
  return {'config': config, 'status': 'done', 'result': result}


LOST = {'config': {}, 'status': 'diverged', 'result': {'reason': 'nan'}}


def drawing(module, rows):
  """Draws rows that went through a file."""
  page = figure.Figure(layout='constrained')
  axes = page.subplots()
  module.draw(json.loads(json.dumps(rows)), axes)
  page.draw_without_rendering()
  return page


def merged(method, accuracies, drop=0.0, tried=(1.0,), orders=1):
  """One result for each seed."""
  return [
    done(
      {
        'accuracy': x,
        'accuracies': [x - 0.1 * k for k in range(orders)],
        'test_mr': x + 0.1,
        'test_trec': x - 0.1,
        'validation': x,
        'coefficient': tried[-1],
        'tried': [[c, x] for c in tried],
      },
      method=method,
      drop=drop,
      seed=seed,
    )
    for seed, x in enumerate(accuracies)
  ]


MERGED = [
  LOST,
  *merged('ties', (0.5, 0.7), tried=(0.1, 0.2)),
  *merged('linear', (0.4, 0.5)),
  *merged('task_arithmetic', (0.5, 0.5)),
  *merged('ties', (0.3, 0.3), drop=0.9),
  *merged('opcm', (0.6, 0.6), orders=2),
  *merged('pretrained', (0.2, 0.2)),
]


def test_ways_to_merge_are_rows_from_the_worst_to_the_best():
  rows = minilm_tasks.table(MERGED)
  assert [row['method'] for row in rows[:3]] == [
    'pretrained',
    'DARE, TIES',
    'average',
  ]
  (ties,) = (row for row in rows if row['method'] == 'TIES')
  assert ties['n'] == 2
  assert math.isclose(ties['mean'], 0.6)
  assert math.isclose(ties['std'], math.sqrt(0.02))
  assert math.isclose(ties['trec'], 0.5)
  assert ties['coefficients'] == '0.2 0.2'
  assert rows[0]['coefficients'] is None


def test_ways_to_merge_are_compared_seed_by_seed():
  found = minilm_tasks.summary(MERGED)
  gain, low, high = found['ties_over_task_arithmetic']
  assert math.isclose(gain, 0.1)
  assert low <= gain <= high
  assert math.isclose(found['task_arithmetic_over_average'][0], 0.05)
  assert math.isclose(found['opcm_orders'], 0.1 / math.sqrt(2))
  assert 'adamerging_over_ties' not in found


def dropped(tuning, method, accuracies, seed=0, tuned=0.9):
  return done(
    {
      'accuracies': accuracies,
      'q': [0.5] * len(accuracies),
      'tuned': tuned,
      'pretrained': 0.4,
      'delta_rms': 1e-3,
    },
    tuning=tuning,
    method=method,
    seed=seed,
    rates=(0.5, 0.99)[: len(accuracies)],
  )


DROPPED = [
  dropped('usual', 'dare', (0.8, 0.5)),
  dropped('usual', 'dare', (0.9, 0.6)),  # Another task.
  dropped('usual', 'dare', (0.7, 0.7), seed=1),
  dropped('large', 'q_by_score', (0.6,)),
  LOST,
]


def test_drop_rates_are_rows_over_tasks_and_seeds():
  rows = drop_rate.table(DROPPED)
  assert [(r['tuning'], r['rate'], r['n']) for r in rows] == [
    ('usual', 0.5, 2),
    ('usual', 0.99, 2),
    ('large', 0.5, 1),
  ]
  # Over the tasks of a seed first.
  assert math.isclose(rows[0]['mean'], (0.85 + 0.7) / 2)
  assert rows[0]['q'] == 0.5


def test_what_dropping_costs_is_in_the_summary():
  found = drop_rate.summary(DROPPED)
  assert math.isclose(found['usual_dare_0.99'][0], (0.55 + 0.7) / 2)
  assert math.isclose(found['usual_dare_0.5_lost'], 0.9 - 0.775)
  assert math.isclose(found['large_q_by_score_0.5'][0], 0.6)


def grafted(mask, density, accuracy, seed=0):
  return done(
    {
      'grafted_mr': accuracy,
      'grafted_trec': accuracy + 0.1,
      'tuned_mr': 0.8,
      'tuned_trec': 0.9,
      'pretrained_mr': 0.4,
      'pretrained_trec': 0.5,
      'overlap': [[1.0, 0.2], [0.4, 1.0]],
    },
    mask=mask,
    density=density,
    seed=seed,
  )


GRAFTED = [
  grafted('random', 0.1, 0.5),
  LOST,
  grafted('learned', 0.1, 0.6),
  grafted('learned', 0.1, 0.8, seed=1),
]


def test_grafts_are_shares_of_what_fine_tuning_gives():
  learned, random = grafting.table(GRAFTED)
  assert (learned['mask'], learned['n']) == ('learned', 2)
  assert math.isclose(learned['share'], 0.75)
  assert math.isclose(learned['trec'], 0.8)
  assert math.isclose(random['share'], 0.25)
  assert math.isclose(random['overlap'], 0.3)  # Of two tasks, not of one.


def test_shares_are_in_the_summary_with_their_spread():
  value, low, high = grafting.summary(GRAFTED)['learned_0.1_share']
  assert math.isclose(value, 0.75)
  assert 0.5 - 1e-9 <= low < value < high <= 1 + 1e-9


STEPS = [
  done(
    {
      'fits': fits,
      'method': 'hashed',
      'D': size,
      'd': 100,
      'ratio': 1.5,
      'ratio_low': 1.4,
      'ratio_high': 1.7,
    }
  )
  for size, fits in ((2_000, True), (1_000, True), (9_000, False))
]


def test_steps_that_do_not_fit_in_memory_are_no_rows():
  assert [row['D'] for row in subspace_step.table(STEPS)] == [1_000, 2_000]
  assert subspace_step.summary(STEPS)['hashed/1000/100'] == (1.5, 1.4, 1.7)


@pytest.mark.parametrize(
  'module, results, labels',
  [
    (minilm_tasks, MERGED, 0),
    (drop_rate, DROPPED, 4),
    (grafting, GRAFTED, 4),
    (subspace_step, STEPS, 3),
  ],
)
def test_they_are_drawn_from_their_rows(module, results, labels):
  rows = module.table(results)
  page = drawing(module, rows)
  assert all(axes.get_xlabel() for axes in page.axes)
  named = [text for legend in page.legends for text in legend.get_texts()]
  assert len(named) >= labels
  assert set(module.COLUMNS) & set(rows[0])
