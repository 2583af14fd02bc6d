"""Permutations turn singular directions and leave the values as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import matching
from paramspace import symmetry

F = symmetry.Factor

SPEC = symmetry.Spec(
  {'one': symmetry.Group(7), 'two': symmetry.Group(6)},
  {
    'conv': (F(None, 3), F(None, 3), F(None, 2), F('one', 7)),
    'dense': (F('one', 7), F('two', 6)),
    'bias': (F('two', 6),),
    'out': (F('two', 6), F(None, 4)),
  },
)
SHAPES = {'conv': (3, 3, 2, 7), 'dense': (7, 6), 'bias': (6,), 'out': (6, 4)}


def tree(seed):
  rng = np.random.default_rng(seed)
  return {n: rng.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}


def permuted(params):
  one, two = (np.random.default_rng(n).permutation(n) for n in (7, 6))
  return {
    'conv': params['conv'][..., one],
    'dense': params['dense'][one][:, two],
    'bias': params['bias'][two],
    'out': params['out'][two],
  }


def test_a_permutation_changes_no_singular_value():
  a = tree(0)
  b = permuted(a)
  found = matching.alignment(a, b)
  assert found.leaves.keys() == {'conv', 'dense', 'out'}
  for leaf in found.leaves.values():
    scale = leaf.values_a[0]
    np.testing.assert_allclose(
      leaf.values_b, leaf.values_a, rtol=0, atol=1e-14 * scale
    )
  assert found.r < 0.7


@pytest.mark.parametrize('gamma', [0.0, 0.3, 1.0])
def test_a_model_is_aligned_with_itself(gamma):
  a = tree(0)
  assert matching.alignment(a, a, gamma=gamma).r == pytest.approx(1, abs=1e-12)


def test_r_is_the_sum_over_pairs_of_directions():
  a, b = tree(0), tree(1)
  found = matching.alignment(a, b, gamma=0.3, pattern='dense')
  (u, s, v), (x, t, y) = (
    np.linalg.svd(np.asarray(p['dense'], np.float64), full_matrices=False)
    for p in (a, b)
  )
  total = sum(
    (u[:, i] @ x[:, j]) * (v[i] @ y[j])
    for i in np.flatnonzero(s >= 0.3 * s[0])
    for j in np.flatnonzero(t >= 0.3 * t[0])
  )
  n = np.sqrt((s >= 0.3 * s[0]).sum() * (t >= 0.3 * t[0]).sum())
  assert found.r == pytest.approx(total / n, abs=1e-12)


def test_r_is_bounded_and_turns_with_the_sign():
  a, b = tree(0), tree(1)
  minus = jax.tree.map(lambda x: -x, a)
  assert matching.alignment(a, minus).r == pytest.approx(-1, abs=1e-12)
  assert abs(matching.alignment(a, b).r) < 0.5


def test_matching_a_planted_permutation_brings_r_back_to_one():
  a = tree(0)
  b = permuted(a)
  match = matching.frank_wolfe(jax.random.key(3), SPEC, a, b)
  moved = symmetry.act(SPEC, match.element, b)
  assert matching.alignment(a, b).r < 0.9
  assert matching.alignment(a, moved).r == pytest.approx(1, abs=1e-12)


def test_a_leaf_of_zeros_counts_for_nothing():
  a = tree(0) | {'out': jnp.zeros((6, 4))}
  assert matching.alignment(a, a).r == pytest.approx(1, abs=1e-12)
  assert matching.alignment(a, a, pattern='out').r == 0


def test_bad_arguments_are_named():
  a = tree(0)
  with pytest.raises(ValueError, match='`gamma` must lie in'):
    matching.alignment(a, a, gamma=2.0)
  with pytest.raises(ValueError, match='near misses'):
    matching.alignment(a, a, pattern='kernel')
  with pytest.raises(ValueError, match="'out' should be"):
    matching.alignment(a, a | {'out': jnp.zeros((4, 6))})
