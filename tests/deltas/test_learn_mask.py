"""Masks that are learned, and those that are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace import deltas

KEY = jax.random.key(5)
DELTA = {
  'a': jnp.array([[3.0, -1.0, 0.5], [-2.0, 0.25, 4.0]]),
  'b': jnp.array([0.75, -5.0, 1.5, 0.1]),
  'step': jnp.array(3),
}
BASE = {
  'a': jnp.full((2, 3), 0.5),
  'b': jnp.arange(4.0),
  'step': jnp.array(3),
}
# The entries without which the loss is large: the smallest, and none other.
NEEDED = {
  'a': jnp.array([[False, True, True], [False, True, False]]),
  'b': jnp.array([False, False, False, True]),
}


def graft(mask):
  return deltas.add(BASE, deltas.mask(mask)(KEY, DELTA))


TARGET = graft(NEEDED)


def loss(params, scale=1.0):
  gaps = [jnp.sum((params[n] - TARGET[n]) ** 2) for n in 'ab']
  return scale * sum(gaps)


def marked(mask):
  return sum(int(x.sum()) for x in mask.values() if x.dtype == bool)


def equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_the_entries_that_a_loss_needs_are_found_and_not_the_largest():
  optimizer = optax.sgd(2e4)
  found = deltas.learn_mask(
    loss, BASE, DELTA, 0.4, steps=60, optimizer=optimizer
  )
  equal({n: found.mask[n] for n in 'ab'}, NEEDED)
  top = deltas.top_movement_mask(DELTA, 0.4)
  assert not (top['a'] & NEEDED['a']).any()
  assert float(loss(graft(found.mask))) == 0 < float(loss(graft(top)))
  assert found.losses[-1] < 0.01 * found.losses[0]
  assert len(found.losses) == 60


@pytest.mark.parametrize('density', [0.0, 0.3, 1.0])
def test_without_a_step_the_mask_is_the_top_movement(density):
  found = deltas.learn_mask(loss, BASE, DELTA, density, steps=0)
  top = deltas.top_movement_mask(DELTA, density)
  equal(found.mask, top)
  for n in 'ab':
    np.testing.assert_allclose(found.soft[n], top[n], atol=5e-5)
  assert found.losses == found.scores == []


def test_a_step_is_that_of_the_formula():
  """In float64, as it is written."""
  lr, bias = 1e4, 8.0
  found = deltas.learn_mask(
    loss, BASE, DELTA, 0.3, steps=1, optimizer=optax.sgd(lr), bias=bias
  )
  top = deltas.top_movement_mask(DELTA, 0.3)
  sigmoid = lambda x: 1 / (1 + np.exp(-x))
  total = 0.0
  for n in 'ab':
    d, b = np.float64(DELTA[n]), np.float64(top[n])
    gamma = b + (1 - 2 * b) * sigmoid(-bias)
    gap = np.float64(BASE[n]) + gamma * d - np.float64(TARGET[n])
    slope = 2 * gap * d * (1 - 2 * b) * sigmoid(-bias) * (1 - sigmoid(-bias))
    after = b + (1 - 2 * b) * sigmoid(-lr * slope - bias)
    np.testing.assert_allclose(found.soft[n], after, rtol=1e-3, atol=1e-6)
    total += (gap**2).sum()
  np.testing.assert_allclose(found.losses, [total], rtol=1e-5)


def test_batches_may_be_stacked_or_come_one_by_one():
  scales = jnp.array([1.0, 3.0, 2.0, 1.0])
  by_batch = lambda params, batch: loss(params, batch['scale'])
  run = lambda batches, steps=None: deltas.learn_mask(
    by_batch, BASE, DELTA, 0.4, batches, steps=steps
  )
  one_by_one = ({'scale': x} for x in scales)
  equal(run({'scale': scales}), run(one_by_one))
  assert len(run({'scale': scales}, 3).losses) == 3
  assert not run(()).losses


def test_leaves_that_are_not_selected_are_those_of_the_base():
  found = deltas.learn_mask(
    loss,
    BASE,
    DELTA,
    0.5,
    steps=60,
    pattern='a',
    optimizer=optax.adam(0.5),
  )
  assert marked(found.mask) == 3
  equal(found.mask['a'], NEEDED['a'])
  assert not found.mask['b'].any() and not found.soft['b'].any()
  equal(found.mask['step'], DELTA['step'])
  np.testing.assert_array_equal(graft(found.mask)['b'], BASE['b'])


def test_the_number_is_exact_where_gamma_is_one_for_more():
  """All want to be in, and at 17 the sigmoid is 1 in float32."""
  up = lambda params: -jnp.sum(params['b'] * jnp.sign(DELTA['b']))
  found = deltas.learn_mask(up, BASE, DELTA, 0.5, steps=1, pattern='b')
  assert found.soft['b'].tolist() == [1, 1, 1, 1]
  assert found.mask['b'].tolist() == [False, True, True, False]


def test_the_mask_of_the_best_score_is_returned():
  rising = iter([0.0, 1.0, 3.0, 3.0, 2.0])
  seen = []

  def score(params):
    seen.append(params)
    return next(rising)

  run = lambda steps, score: deltas.learn_mask(
    loss, BASE, DELTA, 0.4, steps=steps, optimizer=optax.sgd(1e4), score=score
  )
  found = run(4, score)
  assert found.scores == [0, 1, 3, 3, 2] and len(found.losses) == 4
  equal(found.soft, run(2, None).soft)
  equal(seen[0], graft(deltas.top_movement_mask(DELTA, 0.4)))
  equal(seen[2], graft(found.mask))


def test_what_cannot_be_learned_is_refused():
  learn = lambda **kwargs: deltas.learn_mask(
    loss, BASE, DELTA, **{'density': 0.4, 'steps': 2} | kwargs
  )
  for steps in None, -1, 1.5, True:
    with pytest.raises(ValueError, match='`steps` must be an integer of 0'):
      learn(steps=steps)
  with pytest.raises(ValueError, match=r'`density` must lie .* got 1.4'):
    learn(density=1.4)
  with pytest.raises(ValueError, match=r"near misses: .*'a'"):
    learn(pattern='c')
  with pytest.raises(ValueError, match=r"'b' should be float32\[4\]"):
    deltas.learn_mask(loss, BASE, DELTA | {'b': jnp.ones(3)}, 0.4, steps=1)
  with pytest.raises(ValueError, match="S of leaf 'a' is no longer finite"):
    learn(optimizer=optax.sgd(jnp.inf))
  with pytest.raises(ValueError, match="'b' of the delta has 1 values"):
    wrong = DELTA | {'b': DELTA['b'].at[1].set(jnp.nan)}
    deltas.learn_mask(loss, BASE, wrong, 0.4, steps=1)


# Drawn at random.


def test_a_random_mask_has_its_number_over_the_whole_tree():
  params = {'a': jnp.ones((30, 7)), 'b': jnp.ones(91), 'n': jnp.array(2)}

  @jax.jit
  def draw(params):
    return [
      deltas.random_mask(KEY, params, 0.0, 'leaf'),
      deltas.random_mask(KEY, params, 0.37),
      deltas.random_mask(KEY, params, 1.0, 'leaf'),
      deltas.random_mask(KEY, params, 0.1, 'leaf'),
      deltas.random_mask(KEY, params, 0.1, 'leaf', 'b'),
    ]

  masks = draw(params)
  assert [marked(mask) for mask in masks] == [0, 111, 301, 30, 9]
  assert all(mask['n'] == 2 for mask in masks)
  assert int(masks[3]['a'].sum()) == 21
  assert not masks[4]['a'].any()
  others = jax.tree.map(lambda x: 2 * x, params)  # Values do not count.
  equal(draw(others)[1]['a'], masks[1]['a'])


def test_all_entries_are_drawn_alike_and_a_larger_mask_holds_a_smaller():
  n, few, more = 4000, 0.2, 0.5
  params = {'w': jnp.zeros((5, 5))}
  draw = lambda key: [
    deltas.random_mask(key, params, density, 'leaf')['w']
    for density in (few, more)
  ]
  small, large = jax.jit(jax.vmap(draw))(jax.random.split(KEY, n))
  share = np.asarray(small).mean(0)
  assert (abs(share - few) < 4.5 * np.sqrt(few * (1 - few) / n)).all()
  assert (~small | large).all()
  pairs = np.asarray(small)[:, 0, :2].all(1).mean()
  expected = 5 / 25 * 4 / 24  # Without replacement.
  assert abs(pairs - expected) < 4.5 * np.sqrt(expected / n)


def test_a_random_mask_needs_a_density_and_a_leaf():
  with pytest.raises(ValueError, match='`density` must lie'):
    deltas.random_mask(KEY, BASE, -0.1)
  with pytest.raises(ValueError, match='near misses'):
    deltas.random_mask(KEY, BASE, 0.1, pattern='kernel')
