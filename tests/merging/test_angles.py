"""Methods that turn models about a centre."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging

ZERO = {'w': jnp.zeros((5, 4))}


def models(n, seed=0):
  rng = np.random.default_rng(seed)
  draws = rng.normal(size=(n, 5, 4)).astype(np.float32)
  return {f'{i}': {'w': jnp.asarray(x)} for i, x in enumerate(draws)}


def vectors(tuned):
  return np.stack(
    [np.asarray(t['w'], np.float64).ravel() for t in tuned.values()]
  )


def merged(tuned, recipe, base=ZERO, **kwargs):
  run = jax.jit(
    lambda base, tuned: merging.merge(base, tuned, recipe, **kwargs)
  )
  return np.asarray(run(base, tuned)['w'], np.float64).ravel()


def angle(a, b):
  return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_slerp_divides_the_angle_and_stays_on_the_arc():
  base, tuned = models(2).values()
  u, v = vectors(models(2))
  got = merged({'a': tuned}, merging.slerp(0.3), base)
  omega = angle(u, v)
  expected = (np.sin(0.7 * omega) * u + np.sin(0.3 * omega) * v) / np.sin(omega)
  np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize('t', [0.0, 1.0])
def test_slerp_ends_at_the_models(t):
  base, tuned = models(2).values()
  got = merged({'a': tuned}, merging.slerp(t), base)
  expected = np.asarray((base, tuned)[int(t)]['w']).ravel()
  np.testing.assert_allclose(got, expected, rtol=0, atol=3e-7 * t)


@pytest.mark.parametrize('factor', [0.0, 1.0, 2.0, -1.0])
def test_where_there_is_no_arc_slerp_is_the_line(factor):
  (base,) = models(1).values()
  tuned = {'w': factor * base['w']}
  got = merged({'a': tuned}, merging.slerp(0.25), base)
  expected = (0.75 + 0.25 * factor) * np.asarray(base['w']).ravel()
  np.testing.assert_allclose(got, expected, atol=1e-6)


def test_karcher_is_where_the_weighted_angles_balance():
  tuned, weights = models(3), {'0': 1.0, '1': 2.0, '2': 0.5}
  m = merged(tuned, merging.karcher(), weights=weights)
  rows, w = vectors(tuned), np.array([1.0, 2.0, 0.5]) / 3.5
  lengths = np.linalg.norm(rows, axis=1)
  np.testing.assert_allclose(np.linalg.norm(m), w @ lengths, rtol=1e-6)
  m = m / np.linalg.norm(m)
  pull = 0.0
  for share, u in zip(w, rows / lengths[:, None], strict=True):
    tangent = u - (u @ m) * m
    pull = pull + share * angle(u, m) * tangent / np.linalg.norm(tangent)
  assert np.linalg.norm(pull) < 1e-4


def test_of_two_models_karcher_multislerp_and_nuslerp_are_the_middle():
  tuned = models(2)
  tuned = {n: {'w': t['w'] / jnp.linalg.norm(t['w'])} for n, t in tuned.items()}
  middle = merged(tuned, merging.nuslerp(on='weights'))
  for recipe in merging.karcher(), merging.multislerp():
    np.testing.assert_allclose(merged(tuned, recipe), middle, atol=1e-6)


@pytest.mark.parametrize('per', ['row', 'column'])
def test_nuslerp_may_turn_rows_or_columns_on_their_own(per):
  """As PyTorch has them: a row is what one output is made of."""
  draw = lambda seed, *shape: (
    np.random.default_rng(seed).normal(size=shape).astype(np.float32)
  )
  shapes = {
    'kernel': (5, 4),
    'embedding': (5, 4),
    'bias': (4,),
    'layers': (2, 4),
  }
  a, b = ({n: draw(i, *s) for n, s in shapes.items()} for i in (0, 1))
  recipe = merging.nuslerp(per=per, stacked={'layers': 1})
  base = {n: jnp.zeros(s) for n, s in shapes.items()}
  run = jax.jit(
    lambda a, b: merging.merge(
      base, {'a': a, 'b': b}, recipe, weights={'a': 0.6, 'b': 0.4}
    )
  )
  got = run(a, b)

  def arc(u, v):
    omega = angle(u, v)
    ends = np.sin(0.6 * omega) * u + np.sin(0.4 * omega) * v
    return ends / np.sin(omega)

  rows = lambda x, y: np.stack([*map(arc, x, y)])
  ways = {'row': rows, 'column': lambda x, y: rows(x.T, y.T).T}
  across = {'row': 'column', 'column': 'row'}[per]
  expected = {
    'kernel': ways[across](a['kernel'], b['kernel']),
    'embedding': ways[per](a['embedding'], b['embedding']),
    'bias': arc(a['bias'], b['bias']),
    'layers': rows(a['layers'], b['layers']),
  }
  for name, x in expected.items():
    np.testing.assert_allclose(got[name], x, atol=2e-6, err_msg=name)


@pytest.mark.parametrize('n', [2, 4])
def test_model_stock_is_the_point_of_the_plane_that_is_nearest(n):
  """For deltas of one length at equal angles, the theorem's case."""
  rng = np.random.default_rng(n)
  corners, _ = np.linalg.qr(rng.normal(size=(20, n + 1)))
  rows = 0.6 * corners[:, :1].T + corners[:, 1:].T  # [n, 20]
  centre = rows.mean(0)  # Of the models that are there.
  sphere = 0.6 * corners[:, 0]  # Of all that might have been.
  tuned = {
    f'{i}': {'w': jnp.asarray(x.reshape(5, 4), jnp.float32)}
    for i, x in enumerate(rows)
  }
  got = merged(tuned, merging.model_stock())
  nearest = centre * (centre @ sphere) / (centre @ centre)
  np.testing.assert_allclose(got, nearest, atol=1e-6)


def test_model_stock_leaves_the_base_behind_unless_it_is_clipped():
  a = {'w': jnp.array([1.0, 0.1])}
  b = {'w': jnp.array([-1.0, 0.3])}
  base, tuned = {'w': jnp.zeros(2)}, {'a': a, 'b': b}
  assert merged(tuned, merging.model_stock(), base)[1] < -1
  np.testing.assert_array_equal(
    merged(tuned, merging.model_stock(clip=True), base), [0.0, 0.0]
  )
