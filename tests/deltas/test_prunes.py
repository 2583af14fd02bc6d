"""What each prune keeps, against NumPy and other implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import deltas
from paramspace import trees

KEY = jax.random.key(5)


def run(prune, delta):
  return jax.jit(prune)(KEY, delta)


def normal(seed, shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tuned_deltas(golden):
  models = [golden[f'tuned{i}'] for i in range(3)]
  return [deltas.subtract(model, golden['base']) for model in models]


def close(got, expected):
  for name, x in trees.named(expected).items():
    np.testing.assert_allclose(trees.named(got)[name], x, atol=1e-6)


def weighted(weights, moved):
  return jax.tree.map(
    lambda *xs: sum(w * x for w, x in zip(weights, xs, strict=True)), *moved
  )


def test_trim_by_leaf_is_that_of_peft(golden):
  prune = deltas.trim(0.3)
  moved = [run(prune, delta) for delta in tuned_deltas(golden)]
  got = weighted(golden['weights'], moved)
  close(got, golden['peft/magnitude_prune'])


def test_breadcrumbs_are_those_of_mergekit(golden):
  prune = jax.jit(deltas.breadcrumbs(0.6, 0.05, 'leaf', compat='mergekit'))
  moved = [run(prune, delta) for delta in tuned_deltas(golden)]
  delta = weighted(golden['weights'], moved)
  close(deltas.add(golden['base'], delta), golden['mergekit/breadcrumbs'])


@pytest.mark.parametrize('percent', [20, 50])
def test_trim_of_the_tree_is_that_of_the_authors_of_ties(golden, percent):
  prune = jax.jit(deltas.trim(percent / 100, 'global', count='official'))
  moved = [run(prune, delta) for delta in tuned_deltas(golden)]
  expected = golden[f'ties_official/K{percent}_dis-mean']
  stack = jax.tree.map(lambda *xs: np.stack(xs), *moved)
  elected = jax.tree.map(lambda x: np.sign(x.sum(0)), stack)
  majority = np.sign(sum(x.sum() for x in jax.tree.leaves(elected)))

  def mean(x, sign):
    agree = np.where(np.sign(x) == np.where(sign == 0, majority, sign), x, 0)
    return agree.sum(0) / np.maximum((agree != 0).sum(0), 1)

  close(jax.tree.map(mean, stack, elected), expected)


def test_the_official_count_is_one_more_and_all_that_are_equal():
  x = jnp.array([3.0, -1.0, 1.0, 2.0, 1.0])
  for scope in 'leaf', 'row', 'global':
    out = run(deltas.trim(0.4, scope, count='official'), {'w': x})['w']
    np.testing.assert_array_equal(out, x)
    out = run(deltas.trim(0.2, scope, count='official'), {'w': x})['w']
    np.testing.assert_array_equal(out, [3, 0, 0, 2, 0])


def test_a_row_lies_along_the_axis_that_is_given():
  x = normal(0, (6, 10))
  for axis, rows in ((-1, x), (-2, x.T)):
    out = np.asarray(run(deltas.trim(0.5, 'row', axis=axis), {'w': x})['w'])
    kept = (out != 0) if axis == -1 else (out != 0).T
    bound = np.sort(np.abs(rows), axis=1)[:, rows.shape[1] // 2][:, None]
    np.testing.assert_array_equal(kept, np.abs(rows) >= bound)


def test_a_leaf_without_the_axis_is_one_row():
  x = normal(0, 10)
  prune = deltas.trim(0.5, 'row', axis=-2)
  by_leaf = deltas.trim(0.5)
  np.testing.assert_array_equal(
    run(prune, {'b': x})['b'], run(by_leaf, {'b': x})['b']
  )


def test_breadcrumbs_of_the_paper_lose_outliers_of_every_row():
  x = normal(1, (5, 40))
  out = np.asarray(run(deltas.breadcrumbs(0.25, 0.1), {'w': x})['w'])
  rank = np.argsort(np.argsort(-np.abs(x), axis=1), axis=1)
  np.testing.assert_array_equal(out != 0, (rank >= 4) & (rank < 14))
  out = np.asarray(run(deltas.breadcrumbs(1.0, 0.1), {'w': x})['w'])
  np.testing.assert_array_equal(out != 0, rank >= 4)


def test_breadcrumbs_of_mergekit_spare_outliers_to_reach_the_density():
  x = {'w': jnp.arange(1.0, 21.0)}
  ours = run(deltas.breadcrumbs(0.9, 0.2, 'leaf'), x)['w']
  theirs = run(deltas.breadcrumbs(0.9, 0.2, 'leaf', compat='mergekit'), x)['w']
  np.testing.assert_array_equal(ours, [*range(1, 17), 0, 0, 0, 0])
  np.testing.assert_array_equal(theirs, [*range(1, 19), 0, 0])


@pytest.mark.parametrize('scope', ['leaf', 'row', 'global'])
def test_clip_bounds_by_a_magnitude_that_occurs(scope):
  x = {'a': normal(0, (8, 25)), 'b': normal(1, (8, 25)) * 9}
  out = jax.jit(deltas.clip(0.8, scope))(KEY, x)
  both = np.stack([x['a'], x['b']])
  axes = {'leaf': (1, 2), 'row': (2,), 'global': None}[scope]
  bound = np.quantile(
    np.abs(both), 0.8, axes, keepdims=True, method='inverted_cdf'
  )
  np.testing.assert_array_equal(
    np.stack([out['a'], out['b']]), np.clip(both, -bound, bound)
  )


def test_low_rank_is_the_nearest_matrix_of_its_rank():
  x = {'w': normal(0, (20, 12)), 'b': normal(1, 12), 'c': normal(2, (3, 4, 5))}
  out = jax.jit(deltas.low_rank(3))(KEY, x)
  u, s, v = np.linalg.svd(np.float64(x['w']), full_matrices=False)
  np.testing.assert_allclose(out['w'], (u[:, :3] * s[:3]) @ v[:3], atol=1e-5)
  assert np.linalg.matrix_rank(out['w'], tol=1e-4) == 3
  for name in 'b', 'c':
    np.testing.assert_array_equal(out[name], x[name])
  assert not run(deltas.low_rank(0), x)['w'].any()


def test_importance_ranks_by_the_product():
  x, w = normal(0, 50), normal(1, 50)
  out = run(deltas.importance({'w': w}, 0.2, 'global'), {'w': x})['w']
  bound = np.sort(np.abs(w * x))[-10]
  np.testing.assert_array_equal(out, np.where(np.abs(w * x) >= bound, x, 0))


def test_a_mask_of_numbers_is_a_factor():
  out = run(deltas.mask({'w': jnp.array([0.5, 0.0])}), {'w': jnp.ones(2)})['w']
  np.testing.assert_array_equal(out, [0.5, 0.0])


def test_links_see_what_earlier_ones_left():
  x = {'a': jnp.array([8.0, 1.0, 2.0]), 'b': jnp.array([3.0, 4.0, 9.0])}
  prune = deltas.chain(
    deltas.mask({'a': jnp.array([0, 1, 1]), 'b': jnp.array([1, 1, 0])}),
    deltas.trim(1 / 3, 'global'),
  )
  out = run(prune, x)
  np.testing.assert_array_equal(out['a'], [0, 0, 0])
  np.testing.assert_array_equal(out['b'], [3, 4, 0])


def test_each_way_sees_its_own_leaves_alone():
  x = {'a': jnp.array([1.0, 2.0]), 'b': jnp.array([10.0, 20.0])}
  half = deltas.trim(0.5, 'global')
  out = run(deltas.where(lambda name, x: name == 'a', half, half), x)
  np.testing.assert_array_equal(out['a'], [0, 2])
  np.testing.assert_array_equal(out['b'], [0, 20])
  whole = run(half, x)
  np.testing.assert_array_equal(whole['a'], [0, 0])


def test_a_scale_that_is_learned_has_a_gradient():
  total = lambda f: run(deltas.scale(f), {'w': jnp.arange(3.0)})['w'].sum()
  assert float(jax.jit(jax.grad(total))(2.0)) == 3.0


X = {'w': jnp.ones((2, 3))}


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: deltas.trim(1.1), r'`density` must lie in \[0, 1\], got 1.1'),
    (lambda: deltas.trim(1.0, 'tree'), "`scope` must be .* got 'tree'"),
    (lambda: deltas.trim(0.5, axis=1), '`axis` must count from the last'),
    (lambda: deltas.trim(0.5, count='ceil'), "got 'ceil'"),
    (lambda: deltas.clip(-0.1), '`quantile` must lie'),
    (lambda: deltas.breadcrumbs(gamma=2.0), '`gamma` must lie'),
    (lambda: deltas.breadcrumbs(compat='mergekit'), "`scope` is 'leaf'"),
    (lambda: deltas.low_rank(-1), '`rank` must be an integer of 0 or more'),
    (lambda: deltas.scale(jnp.ones(2)), '`factor` must be a scalar'),
    (lambda: deltas.chain(), 'needs one prune at least'),
    (lambda: deltas.mask({'v': X['w']})(KEY, X), "no leaf 'w'; near .*'v'"),
    (lambda: deltas.mask({'w': jnp.ones(3)})(KEY, X), r'shape \[2, 3\]'),
    (lambda: deltas.importance({}, 0.5)(KEY, X), "no leaf 'w'"),
    (lambda: deltas.where('v', deltas.keep())(KEY, X), "near misses: .*'w'"),
  ],
)
def test_what_cannot_be_pruned_is_refused(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_the_entries_that_moved_most_are_marked():
  delta = {'a': normal(0, (30, 4)), 'b': normal(1, 50) * 3, 'n': jnp.array(2)}
  marked = jax.jit(lambda x: deltas.top_movement_mask(x, 0.1))(delta)
  assert marked['a'].dtype == bool
  assert int(marked['a'].sum() + marked['b'].sum()) == 17
  grafted = run(deltas.mask(marked), delta)
  expected = run(deltas.trim(0.1, 'global'), delta)
  for name in delta:
    np.testing.assert_array_equal(grafted[name], expected[name])


def test_the_overlap_of_masks_is_a_share_of_the_second():
  mask = lambda *places: {
    'w': jnp.zeros(6, bool).at[jnp.array(places)].set(True)
  }
  masks = {'x': mask(0, 1, 2, 3), 'y': mask(3, 4), 'z': mask(5)}
  expected = [[1, 0.5, 0], [0.25, 1, 0], [0, 0, 1]]  # |a and b| / |b|.
  np.testing.assert_allclose(deltas.overlap(masks), expected)
  with pytest.raises(ValueError, match='no booleans'):
    deltas.overlap({'x': {'w': jnp.ones(3)}})
