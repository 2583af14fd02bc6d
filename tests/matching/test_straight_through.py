"""The straight-through estimator lowers the loss of the midpoint."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace import matching
from paramspace import symmetry

F = symmetry.Factor
KEY = jax.random.key(0)
SPEC = symmetry.Spec(
  {'hidden': symmetry.Group(6)},
  {
    'in': (F(None, 4), F('hidden', 6)),
    'out': (F('hidden', 6), F(None, 2)),
    'steps': (),
  },
)
act = jax.jit(functools.partial(symmetry.act, SPEC))


def model(seed):
  rng = np.random.default_rng(seed)
  draw = lambda *s: rng.normal(size=s).astype(np.float32)
  return {'in': draw(4, 6), 'out': draw(6, 2), 'steps': np.int32(5)}


@jax.jit
def loss(params, batch):
  x, y = batch
  out = jnp.tanh(x @ params['in']) @ params['out']
  return jnp.square(out - y).mean()


def batches(params, count):
  rng = np.random.default_rng(3)
  x = rng.normal(size=(32, 4)).astype(np.float32)
  y = np.tanh(x @ params['in']) @ params['out']
  return [(x, y)] * count


def midpoint_loss(a, b, element, batch):
  moved = act(element, b)
  middle = {n: (a[n] + moved[n]) / 2 for n in ('in', 'out')}
  return float(loss(middle, batch))


def test_a_planted_permutation_is_found_by_the_first_batch():
  a, g = model(0), {'hidden': np.array([3, 5, 0, 1, 4, 2], np.int32)}
  found = matching.straight_through(
    KEY, SPEC, loss, a, act(g, a), batches(a, 2)
  )
  assert (found.element['hidden'] == np.argsort(g['hidden'])).all()
  assert found.sweeps == 2 and found.objective.max() > -1e-10


def test_the_best_element_is_kept_and_better_than_the_first():
  a, b = model(0), model(1)
  seen = batches(a, 40)
  found = matching.straight_through(
    KEY, SPEC, loss, a, b, seen, optimizer=optax.sgd(0.3, momentum=0.9)
  )
  best = midpoint_loss(a, b, found.element, seen[0])
  assert -found.objective.max() == pytest.approx(best, rel=1e-5)
  assert -found.objective[0] > 1.05 * best


def test_the_slope_is_that_of_the_midpoint_by_the_moved_model():
  a, b = model(0), model(1)
  seen, given = batches(a, 2), []

  def matcher(key, spec, theta, moved):
    given.append(theta)
    return matching.Match(symmetry.identity(spec), np.zeros(1), 0, 0.0)

  matching.straight_through(
    KEY, SPEC, loss, a, b, seen, matcher=matcher, optimizer=optax.sgd(1.0)
  )
  floats = lambda p: {n: p[n] for n in ('in', 'out')}
  middle = lambda b: {n: (a[n] + b[n]) / 2 for n in b}
  slope = jax.jit(jax.grad(lambda b: loss(middle(b), seen[0])))(floats(b))
  for name, x in slope.items():
    np.testing.assert_allclose(given[1][name], a[name] - x, atol=1e-6)
  assert given[1]['steps'] == 5


def test_bad_input_is_named():
  a = model(0)
  with pytest.raises(ValueError, match='none with a finite loss'):
    matching.straight_through(KEY, SPEC, loss, a, a, [])
  with pytest.raises(ValueError, match="b: leaf 'in' has a value that is not"):
    bad = a | {'in': a['in'] * np.float32(np.nan)}
    matching.straight_through(KEY, SPEC, loss, a, bad, batches(a, 1))
