"""TIES and its kin against loops in NumPy."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging

NAMES = 'abc'
WEIGHTS = (0.5, -1.5, 2.0)


def trimmed(delta, kept):
  out = np.zeros_like(delta)
  order = np.argsort(-np.abs(delta), kind='stable')[:kept]
  out[order] = delta[order]
  return out


def disjoint(rows, weights, majority, compat, reduce, sign):
  """The merged delta, one parameter after another."""
  merged = []
  for column in np.array(rows).T:
    scaled = column * weights
    votes = scaled if compat == 'mergekit' else column
    total = np.sum(votes if sign == 'total' else np.sign(votes))
    elected = np.sign(total) or (majority if compat == 'paper' else 1)
    agree = [i for i in range(len(votes)) if votes[i] * elected > 0]
    if not agree:
      merged.append(0.0)
    elif reduce == 'max':
      merged.append(max((scaled[i] for i in agree), key=abs))
    else:
      divisor = {
        'sum': 1,
        'mean': sum(weights[i] for i in agree)
        if compat == 'mergekit'
        else len(agree),
      }[reduce]
      merged.append(sum(scaled[i] for i in agree) / (divisor or 1))
  return np.array(merged)


def normal(shape):
  """Multiples of 1/4: they have ties, zeros, and sums that are exact."""
  draws = np.random.default_rng(3).normal(size=(len(NAMES), *shape))
  return np.round(4 * draws).astype(np.float32) / 4


VARIANTS = tuple(
  itertools.product(
    ('paper', 'mergekit', 'peft'),
    ('mean', 'sum', 'max'),
    ('total', 'frequency'),
  )
)


@functools.cache
def merged_by_variant():
  """All from one program, which trims once."""
  tuned = {n: {'w': x} for n, x in zip(NAMES, normal((200,)), strict=True)}

  @jax.jit
  def run(base, tuned):
    weights = dict(zip(NAMES, WEIGHTS, strict=True))
    recipes = [
      merging.ties(0.6, 1.0, reduce, 'leaf', compat, sign)
      for compat, reduce, sign in VARIANTS
    ]
    return [
      merging.merge(base, tuned, recipe, weights=weights)['w']
      for recipe in recipes
    ]

  out = run({'w': np.zeros(200, np.float32)}, tuned)
  return dict(zip(VARIANTS, out, strict=True))


@pytest.mark.parametrize(('compat', 'reduce', 'sign'), VARIANTS)
def test_ties_is_the_loop(compat, reduce, sign):
  kept = [trimmed(row, 120) for row in normal((200,))]
  votes = kept if sign == 'total' else np.sign(kept)
  majority = np.sign(np.sum(np.sign(np.sum(votes, 0))))
  assert (np.sum(votes, 0) == 0).sum() > 10
  got = merged_by_variant()[compat, reduce, sign]
  expected = disjoint(kept, WEIGHTS, majority, compat, reduce, sign)
  np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_a_global_scope_trims_and_elects_over_all_leaves():
  small, large = normal((30,)), 100 * normal((20,)) - 25
  tuned = {n: {'a': small[i], 'b': large[i]} for i, n in enumerate(NAMES)}
  base = {'a': np.zeros(30, np.float32), 'b': np.zeros(20, np.float32)}
  got = merging.merge(base, tuned, merging.ties(0.6))
  rows = [trimmed(np.concatenate([small[i], large[i]]), 30) for i in range(3)]
  majority = np.sign(np.sum(np.sign(np.sum(rows, 0))))
  assert majority == -1
  expected = disjoint(rows, (1, 1, 1), majority, 'paper', 'mean', 'total')
  np.testing.assert_allclose(got['a'], expected[:30], rtol=1e-6)
  np.testing.assert_allclose(got['b'], expected[30:], rtol=1e-6)


def test_density_zero_gives_the_base_and_one_element_leaves_may_vanish():
  base = {'one': jnp.ones(1), 'w': jnp.ones(5)}
  tuned = {'a': {'one': jnp.full(1, 3.0), 'w': jnp.full(5, 2.0)}}
  got = merging.merge(base, tuned, merging.ties(0.0))
  np.testing.assert_array_equal(got['w'], base['w'])
  got = merging.merge(base, tuned, merging.ties(0.5, compat='peft'))
  np.testing.assert_array_equal(got['one'], [1.0])
  np.testing.assert_array_equal(got['w'], [2.0, 2.0, 1.0, 1.0, 1.0])


def test_mergekits_divisor_may_be_negative_but_is_never_zero():
  tuned = {'a': {'w': jnp.ones(1)}, 'b': {'w': -jnp.ones(1)}}
  weights = {'a': 1.0, 'b': -1.0}
  recipe = merging.ties(1.0, compat='mergekit')
  got = merging.merge({'w': jnp.zeros(1)}, tuned, recipe, weights=weights)
  np.testing.assert_array_equal(got['w'], [2.0])


def test_dare_may_trim_what_it_left():
  tuned = {'a': {'w': jnp.arange(1.0, 101.0)}}
  recipe = merging.dare_ties(rate=0.5, density=0.2)
  got = merging.merge(
    {'w': jnp.zeros(100)}, tuned, recipe, key=jax.random.key(0)
  )['w']
  assert int((got != 0).sum()) == 20
  assert float(got[:40].sum()) == 0


@pytest.mark.parametrize('shape', [(1, 64), (2, 64, 1)])
def test_a_row_of_della_holds_the_inputs_of_one_output(shape):
  """A row of one is kept with the density, however small the entry."""
  base = {'kernel': jnp.zeros(shape)}
  tuned = {'a': {'kernel': jnp.arange(1.0, 1 + 64 * (len(shape) - 1))}}
  tuned['a']['kernel'] = tuned['a']['kernel'].reshape(shape)
  recipe = merging.della_linear(
    density=0.5, window=0.998, stacked={'kernel': len(shape) - 2}
  )
  got = merging.merge(base, tuned, recipe, key=jax.random.key(1))['kernel']
  ratios = np.asarray(got / tuned['a']['kernel']).ravel()
  kept = ratios[ratios > 0]
  if shape[-2] == 1:
    np.testing.assert_allclose(kept, 2.0, rtol=1e-5)
  else:
    assert len(np.unique(np.round(kept, 3))) > 10


def test_breadcrumbs_take_outliers_from_the_inputs_of_one_output():
  delta = jnp.array([[9.0, 1.0], [1.0, 8.0], [2.0, 2.0], [3.0, 3.0]])
  recipe = merging.breadcrumbs(density=0.5, gamma=0.25, scale=1.0)
  got = merging.merge(
    {'kernel': jnp.zeros((4, 2))}, {'a': {'kernel': delta}}, recipe
  )
  kept = jnp.array([[0.0, 0.0], [0.0, 0.0], [2.0, 2.0], [3.0, 3.0]])
  np.testing.assert_array_equal(got['kernel'], kept)


@pytest.mark.parametrize('compat', ['paper', 'mergekit'])
def test_breadcrumbs_ties_elects_among_what_breadcrumbs_left(compat):
  rows = normal((8, 25))
  base = {'kernel': np.zeros((25, 8), np.float32)}
  tuned = {n: {'kernel': x.T} for n, x in zip(NAMES, rows, strict=True)}
  weights = dict(zip(NAMES, WEIGHTS, strict=True))
  recipe = merging.breadcrumbs_ties(0.6, 0.1, 2.0, compat=compat)
  got = jax.jit(
    lambda base, tuned: merging.merge(base, tuned, recipe, weights=weights)
  )(base, tuned)['kernel']

  def pruned(x):
    parts = x if compat == 'paper' else [x.ravel()]
    kept = []
    for part in parts:
      order = np.argsort(-np.abs(part), kind='stable')
      n = len(part)
      marked = np.zeros(n, bool)
      marked[order[n // 10 : n // 10 + int(0.6 * n)]] = True
      kept.append(np.where(marked, part, 0))
    return np.concatenate(kept)

  # In memory, mergekit's leaf is [in, out]: of equal entries, the first.
  order = rows if compat == 'paper' else rows.transpose(0, 2, 1)
  kept = [pruned(x) for x in order]
  majority = np.sign(np.sum(np.sign(np.sum(kept, 0))))
  expected = 2 * disjoint(kept, WEIGHTS, majority, compat, 'sum', 'total')
  shape = (8, 25) if compat == 'paper' else (25, 8)
  expected = expected.reshape(shape)
  expected = expected.T if compat == 'paper' else expected
  np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'density': 1.5}, r'must lie in \[0, 1\], got 1.5'),
    ({'reduce': 'median'}, "`reduce` must be one of .* got 'median'"),
    ({'compat': 'torch'}, "`compat` must be one of .* got 'torch'"),
    ({'sign': 'mass'}, "`sign` must be one of .* got 'mass'"),
    ({'scope': 'row'}, "`scope` must be one of .* got 'row'"),
    ({'scope': 'global', 'compat': 'peft'}, "peft has no scope but 'leaf'"),
  ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    merging.ties(**arguments)
