import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import figure

from experiments import sign_conflict as study
from experiments.figures import sign_conflict as figures

MODELS = 4


@pytest.fixture(scope='module')
def models():
  """A base and four models whose deltas are drawn."""
  keys = jax.random.split(jax.random.key(0), MODELS)
  origin = {'w': jnp.ones((30, 20)), 'b': jnp.zeros(50)}

  def tuned(key):
    first, second = jax.random.split(key)
    return {
      'w': origin['w'] + jax.random.normal(first, (30, 20)),
      'b': jax.random.normal(second, (50,)),
    }

  return origin, [tuned(key) for key in keys]


def flat(tree):
  return np.concatenate([np.ravel(tree[name]) for name in ('w', 'b')])


@pytest.mark.parametrize('density', [0.2, 1.0])
def test_conflicts_are_those_that_are_counted_entry_by_entry(models, density):
  origin, tuned = models
  counts = study.patterns(origin, tuned, density)
  assert counts.sum() == 650
  deltas = np.stack([flat(x) - flat(origin) for x in tuned])  # [n, D]
  kept = int(density * 650)
  least = np.sort(np.abs(deltas), axis=1)[:, -kept, None]
  signs = np.sign(deltas) * (np.abs(deltas) >= least)
  for size in (2, 3, 4):
    for merged in itertools.combinations(range(MODELS), size):
      own = signs[list(merged)]
      keepers = (own != 0).sum(0)
      apart = (own > 0).any(0) & (own < 0).any(0)
      found = study.conflict(counts, MODELS, merged)
      np.testing.assert_allclose(
        found,
        [
          apart.sum() / (keepers > 1).sum(),
          apart.sum() / (keepers > 0).sum(),
          apart.mean(),
          (1 - 0.5 ** (keepers[keepers > 1] - 1)).mean(),
        ],
      )


def test_a_model_merged_with_itself_does_not_disagree(models):
  origin, (first, second, *_) = models
  counts = study.patterns(origin, [first, first, second], 0.5)
  assert study.conflict(counts, 3, (0, 1)).shared == 0
  assert study.conflict(counts, 3, (0, 2)) == study.conflict(counts, 3, (1, 2))


def test_the_opposite_disagrees_wherever_anything_is_kept(models):
  origin, (first, *_) = models
  opposite = jax.tree.map(lambda x, y: 2 * x - y, origin, first)
  counts = study.patterns(origin, [first, opposite], 1.0)
  found = study.conflict(counts, 2, (0, 1))
  assert found.shared == found.kept == 1.0 and found.chance == 0.5


def test_nothing_kept_is_no_conflict(models):
  origin, tuned = models
  counts = study.patterns(origin, tuned, 0.0)
  assert study.conflict(counts, MODELS, (0, 1)) == (0.0, 0.0, 0.0, 0.0)


def planted(density, seed, shift=0.0):
  """Three tasks, whose pairs conflict less than all of them."""
  subsets = [['a', 'b'], ['a', 'c'], ['b', 'c'], ['a', 'b', 'c']]
  shared = [0.2, 0.3, 0.4, 0.6]
  return {
    'status': 'done',
    'config': {'density': density, 'seed': seed},
    'result': {
      'subsets': subsets,
      'shared': [x + shift for x in shared],
      'kept': [x / 2 for x in shared],
      'whole': [x / 4 for x in shared],
      'chance': [0.5, 0.5, 0.5, 0.75],
    },
  }


RESULTS = [
  planted(density, seed, 0.03 * seed)
  for density in (1.0, 0.2)
  for seed in range(3)
]


def test_the_table_has_a_row_for_each_density_and_number():
  rows = figures.table([{'status': 'diverged'}, *RESULTS])
  assert [(row['density'], row['n']) for row in rows] == [
    (0.2, 2),
    (0.2, 3),
    (1.0, 2),
    (1.0, 3),
  ]
  pairs = rows[0]
  np.testing.assert_allclose(pairs['shared'], 0.33)
  np.testing.assert_allclose(
    (pairs['shared_low'], pairs['shared_high']), (0.2, 0.46)
  )
  assert (pairs['seeds'], pairs['chance']) == (3, 0.5)
  summary = figures.summary(RESULTS)
  np.testing.assert_allclose(summary['1/3/shared'], (0.63, 0.6, 0.66))
  np.testing.assert_allclose(summary['0.2/rise'], 0.3)
  assert summary['0.2/3/chance'] == 0.75


def test_every_density_has_a_line_and_its_chance():
  axes = figure.Figure(layout='constrained').subplots()
  whole = axes.figure
  figures.draw(figures.table(RESULTS), axes)
  whole.draw_without_rendering()
  assert [len(place.lines) for place in whole.axes] == [5, 2]
