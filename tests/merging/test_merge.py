"""What goes in, what comes out, and what is refused."""

from typing import NamedTuple

import flax.core
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from paramspace import base as types
from paramspace import deltas
from paramspace import merging

KEY = jax.random.key(0)


def model(seed, dtype=jnp.float32):
  draw = lambda i, s: jax.random.normal(jax.random.key(10 * seed + i), s, dtype)
  return {
    'body': {'kernel': draw(0, (4, 3)), 'bias': draw(1, (3,))},
    'one': draw(2, (1,)),
    'scalar': draw(3, ()),
    'step': jnp.array([1, 2]),
  }


BASE = model(0)
TUNED = {'a': model(1), 'b': model(2), 'c': model(3)}


def leaves_equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize(
  'recipe',
  [
    merging.linear(),
    merging.ties(0.5),
    merging.dare_linear(0.5),
    merging.karcher(),
  ],
  ids=lambda recipe: recipe.config['name'],
)
def test_the_order_of_the_models_changes_nothing_and_jit_nothing_much(recipe):
  backwards = dict(reversed(TUNED.items()))
  out = merging.merge(BASE, TUNED, recipe, key=KEY)
  leaves_equal(out, merging.merge(BASE, backwards, recipe, key=KEY))
  run = jax.jit(lambda *trees: merging.merge(*trees, recipe, key=KEY))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6),
    run(BASE, TUNED),
    out,
  )


def test_a_model_that_is_merged_too_changes_no_other_draw():
  recipe = merging.dare_linear(rate=0.5)
  two = {n: TUNED[n] for n in 'ac'}
  weights = dict.fromkeys('abc', 1.0) | {'b': 0.0}
  three = merging.merge(BASE, TUNED, recipe, weights=weights, key=KEY)
  leaves_equal(three, merging.merge(BASE, two, recipe, key=KEY))


def test_models_draw_apart_from_each_other():
  recipe = merging.dare_linear(rate=0.5)
  ones = {'w': jnp.ones(64)}
  base = {'w': jnp.zeros(64)}
  merged = merging.merge(base, {'a': ones, 'b': ones}, recipe, key=KEY)
  assert set(merged['w'].tolist()) == {0.0, 2.0, 4.0}


def test_weights_may_be_given_leaf_by_leaf():
  names = ('body/kernel', 'body/bias', 'one', 'scalar')
  weights = {'a': dict.fromkeys(names, 0.0) | {'one': 2.0}, 'b': 0.0, 'c': 0.0}
  got = merging.merge(BASE, TUNED, merging.task_arithmetic(), weights=weights)
  expected = BASE['one'] + 2 * (TUNED['a']['one'] - BASE['one'])
  np.testing.assert_array_equal(got['one'], expected)
  leaves_equal(got | {'one': 0}, BASE | {'one': 0})


def test_the_dtype_of_the_result_may_be_another():
  narrow = {n: model(i, jnp.bfloat16) for i, n in enumerate('abc')}
  base = narrow.pop('a')
  got = merging.merge(
    base, narrow, merging.task_arithmetic(), out_dtype=jnp.float32
  )
  wide = lambda x: x.astype(jnp.float32)
  expected = sum(wide(x['one']) - wide(base['one']) for x in narrow.values())
  np.testing.assert_array_equal(got['one'], wide(base['one']) + expected)
  assert got['step'].dtype == jnp.int32


def test_any_prune_and_combine_make_a_recipe():
  prune = deltas.where('body/.*', deltas.trim(0.0))
  combine = merging.task_arithmetic().combine
  recipe = types.Recipe(combine, prune, draws=False)
  got = merging.merge(BASE, {'a': TUNED['a']}, recipe)
  leaves_equal(got['body'], BASE['body'])
  np.testing.assert_allclose(got['one'], TUNED['a']['one'], rtol=1e-6)


# Tied leaves.


def tied(seed):
  x = jax.random.normal(jax.random.key(seed), (8, 4))
  return {'embedding': x, 'head': x, 'bias': jnp.ones(4)}


@pytest.mark.parametrize('given', [None, {'head': 'embedding'}])
def test_tied_leaves_stay_tied_where_entries_are_drawn(given):
  recipe = merging.dare_linear(rate=0.5)
  tuned = {'a': tied(1), 'b': tied(2)}
  got = merging.merge(tied(0), tuned, recipe, key=KEY, tied=given)
  np.testing.assert_array_equal(got['embedding'], got['head'])


def test_tied_leaves_count_once_in_a_global_threshold():
  recipe = merging.ties(density=0.5)
  alone = lambda tree: {n: tree[n] for n in ('bias', 'embedding')}
  got = merging.merge(tied(0), {'a': tied(1)}, recipe)
  expected = merging.merge(alone(tied(0)), {'a': alone(tied(1))}, recipe)
  leaves_equal(alone(got), expected)


def test_what_is_called_tied_but_differs_is_refused():
  apart = tied(1) | {'head': jnp.zeros((8, 4))}
  with pytest.raises(ValueError, match="'head' and 'embedding' have different"):
    merging.merge(
      tied(0), {'a': apart}, merging.ties(), tied={'head': 'embedding'}
    )
  with pytest.raises(
    ValueError, match=r"names 'haed', .* near misses: \['head"
  ):
    merging.merge(
      tied(0), {'a': tied(1)}, merging.ties(), tied={'haed': 'head'}
    )


# What is refused.


def test_there_must_be_models():
  with pytest.raises(ValueError, match='one model or more by name, got dict'):
    merging.merge(BASE, {}, merging.ties())
  with pytest.raises(ValueError, match='got list of length 1'):
    merging.merge(BASE, [BASE], merging.ties())


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'one': jnp.zeros(2)}, r"'b'.*leaf 'one' should be float32\[1\], got"),
    ({'one': jnp.zeros(1, jnp.bfloat16)}, r"'one' should be .* got bfloat16"),
    ({'two': jnp.zeros(1)}, r"'b'.*unexpected: \['two'\]"),
    ({'step': jnp.array([1, 3])}, r"'b', beside.*'step' is not floating-point"),
    (
      {'one': jnp.array([jnp.nan])},
      "'one' of 'b' has 1 values that are not fi",
    ),
    ({'scalar': jnp.array(jnp.inf)}, "'scalar' of 'b' has 1 values"),
  ],
)
def test_a_model_unlike_the_base_is_refused(change, message):
  with pytest.raises(ValueError, match=message):
    merging.merge(
      BASE, {'a': TUNED['a'], 'b': TUNED['b'] | change}, merging.ties()
    )


def test_a_base_that_is_not_finite_is_refused():
  with pytest.raises(ValueError, match="'one' of the base has 1 values"):
    merging.merge(BASE | {'one': jnp.array([jnp.nan])}, TUNED, merging.ties())


@pytest.mark.parametrize(
  ('weights', 'message'),
  [
    ({'a': 1.0}, r"missing \['b', 'c'\]"),
    (dict.fromkeys('abcd', 1.0), r"unexpected \['d'\]"),
    ({'a': 1.0, 'b': np.nan, 'c': 1.0}, 'finite scalar, got nan'),
    ({'a': 1.0, 'b': jnp.ones(2), 'c': 1.0}, 'finite scalar'),
    ({'a': 1.0, 'b': {'one': 1.0}, 'c': 1.0}, "weights of 'b'.*missing"),
  ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
  with pytest.raises(ValueError, match=message):
    merging.merge(BASE, TUNED, merging.task_arithmetic(), weights=weights)


@pytest.mark.parametrize(
  ('recipe', 'message'),
  [
    (
      merging.dare_linear(),
      'merging.dare_linear draws at random; give a `key`',
    ),
    (merging.slerp(), '`slerp` merges 1 models, got 3'),
    (merging.nuslerp(), '`nuslerp` merges 2 models, got 3'),
    (merging.fisher(), "no statistics of leaf 'body/bias'"),
    (merging.ties, '`recipe` must be a Recipe such as `ties'),
    (
      merging.linear()._replace(prune=deltas.trim(0.5), draws=False),
      'prunes deltas, but',
    ),
  ],
)
def test_a_recipe_that_does_not_fit_is_refused(recipe, message):
  with pytest.raises(ValueError, match=message):
    merging.merge(BASE, TUNED, recipe)


def test_one_model_has_no_angle_to_another():
  with pytest.raises(ValueError, match='2 or more models, got 1'):
    merging.merge(BASE, {'a': TUNED['a']}, merging.model_stock())


@pytest.mark.parametrize(
  'recipe', [merging.linear(), merging.multislerp(), merging.karcher()]
)
def test_weights_that_sum_to_zero_are_refused_where_they_divide(recipe):
  weights = {'a': 1.0, 'b': -1.0, 'c': 0.0}
  with pytest.raises(ValueError, match='which is 0 at leaf'):
    merging.merge(BASE, TUNED, recipe, weights=weights)


@pytest.mark.parametrize('recipe', [merging.sce(), merging.model_stock()])
def test_weights_are_refused_where_the_method_finds_them(recipe):
  with pytest.raises(ValueError, match='finds the weights itself'):
    merging.merge(BASE, TUNED, recipe, weights={'a': 1.0, 'b': 2.0, 'c': 1.0})


def test_statistics_that_do_not_fit_are_refused():
  squares = lambda tree: {'body': jax.tree.map(jnp.square, tree['body'])}
  known = {name: squares(tree) for name, tree in TUNED.items()}
  with pytest.raises(ValueError, match=r"statistics should.*missing \['c'\]"):
    two = {n: known[n] for n in 'ab'}
    merging.merge(BASE, TUNED, merging.fisher(), statistics=two)
  with pytest.raises(ValueError, match="no statistics of leaf 'one'"):
    merging.merge(BASE, TUNED, merging.fisher(), statistics=known)
  wrong = {n: {'bdy': jnp.ones(3)} for n in TUNED}
  with pytest.raises(ValueError, match=r"statistic of 'bdy'.*near misses"):
    merging.merge(BASE, TUNED, merging.fisher(), statistics=wrong)
  wrong = {n: {'body': {'kernel': jnp.ones((3, 3))}} for n in TUNED}
  with pytest.raises(
    ValueError, match=r'gram of .* shape \[4, 4\], got \[3, 3'
  ):
    merging.merge(BASE, TUNED, merging.regmean(), statistics=wrong)
  wrong = {n: jax.tree.map(jnp.negative, squares(t)) for n, t in TUNED.items()}
  base, tuned = ({'body': t['body']} for t in (BASE, BASE))
  with pytest.raises(ValueError, match='has negative values'):
    merging.merge(
      base, dict.fromkeys('abc', tuned), merging.fisher(), statistics=wrong
    )


# What goes wrong elsewhere.


def test_a_head_or_a_vocabulary_of_another_size_is_never_cropped():
  """Leave it out of both, or merge without it."""
  base = {'body': jnp.ones(3), 'embedding': jnp.ones((10, 2))}
  tuned = {'a': base | {'embedding': jnp.ones((12, 2))}}
  for recipe in merging.linear(), merging.task_arithmetic():
    with pytest.raises(ValueError, match=r"'embedding' .* got float32\[12, 2"):
      merging.merge(base, tuned, recipe)


@pytest.mark.optimized
def test_what_is_merged_shares_no_buffer_with_what_it_was_merged_from():
  base = {'w': jnp.ones(3), 'b': jnp.zeros(2)}
  tuned = {'a': jax.tree.map(jnp.copy, base)}
  out = merging.merge(base, tuned, merging.task_arithmetic())
  for x in jax.tree.leaves((base, tuned)):
    x.delete()  # As a donation does.
  np.testing.assert_array_equal(out['w'], 1.0)


def test_a_weight_of_0_is_a_weight_and_a_negative_one_unlearns():
  base, tuned = {'w': jnp.ones(2)}, {'a': {'w': jnp.full(2, 3.0)}}
  merge = lambda weight: merging.merge(
    base, tuned, merging.task_arithmetic(), weights={'a': weight}
  )['w'].tolist()
  assert merge(0.0) == [1.0, 1.0]
  assert merge(-1.0) == [-1.0, -1.0]


def test_batch_statistics_are_averaged_and_variances_stay_positive():
  """As a tree of their own; a sum of deltas may make them negative."""
  base = {'var': jnp.array([1.0, 4.0])}
  tuned = {n: {'var': jnp.array([0.1, v])} for n, v in (('a', 3.0), ('b', 1.0))}
  mean = merging.merge(base, tuned, merging.linear())['var']
  np.testing.assert_allclose(mean, [0.1, 2.0], rtol=1e-6)
  summed = merging.merge(base, tuned, merging.task_arithmetic())['var']
  assert (summed < 0).tolist() == [True, False]


class Point(NamedTuple):
  x: jax.Array
  y: jax.Array


@pytest.mark.parametrize(
  'wrap',
  [
    lambda x, y: (x, [y, None]),
    Point,
    lambda x, y: flax.core.freeze({'x': x, 'y': y}),
    lambda x, y: nnx.State({'x': nnx.Param(x), 'y': nnx.Param(y)}),
  ],
  ids=['tuple', 'NamedTuple', 'FrozenDict', 'nnx.State'],
)
def test_the_type_of_a_tree_that_comes_in_is_that_of_the_tree_that_goes_out(
  wrap,
):
  base = wrap(jnp.zeros(2), jnp.zeros((2, 2)))
  tuned = {'a': wrap(jnp.ones(2), jnp.ones((2, 2)))}
  out = merging.merge(base, tuned, merging.ties(1.0))
  assert type(out) is type(base)
  assert jax.tree.structure(out) == jax.tree.structure(base)
  assert all(x.min() == 1 for x in jax.tree.leaves(out))


def test_leaves_without_an_average_are_carried_keys_booleans_and_all():
  carried = {
    'step': jnp.array(3),
    'key': jax.random.key(1),
    'on': jnp.array([True, False]),
  }
  base = {'w': jnp.zeros(2)} | carried
  out = merging.merge(base, {'a': base, 'b': dict(base)}, merging.ties(0.5))
  for name, x in carried.items():
    assert out[name].dtype == x.dtype and (out[name] == x).all()
  with pytest.raises(ValueError, match="'key' is not floating-point"):
    other = base | {'key': jax.random.key(2)}
    merging.merge(base, {'a': other}, merging.ties(0.5))
