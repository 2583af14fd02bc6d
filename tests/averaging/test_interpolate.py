import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import sharding
from paramspace.averaging import _interpolate

KEY = jax.random.key(0)


def tree(seed, dtype=jnp.float32):
  one, two = jax.random.split(jax.random.fold_in(KEY, seed))
  return {
    'w': jax.random.normal(one, (4, 8), dtype),
    'b': jax.random.normal(two, (8,), dtype),
    'step': jnp.array(3),
  }


A, B, BASE = tree(1), tree(2), tree(3)


def oracle(a, b, t, base):
  """Spherical interpolation of two float64 vectors."""
  u, v = (np.asarray(x, np.float64) - base for x in (a, b))
  omega = np.arccos(np.vdot(u, v) / np.linalg.norm(u) / np.linalg.norm(v))
  u, v = np.sin((1 - t) * omega) * u, np.sin(t * omega) * v
  return base + (u + v) / np.sin(omega)


@pytest.mark.optimized
def test_a_line_hits_its_ends_to_the_bit_and_keeps_what_is_equal():
  lerp = jax.jit(_interpolate.lerp)
  chex.assert_trees_all_equal(lerp(A, B, 0.0), A)
  chex.assert_trees_all_equal(lerp(A, B, 1.0), B)
  for t in (0.3, 0.7, 2.0):
    chex.assert_trees_all_equal(lerp(A, A, t), A)


@pytest.mark.parametrize('t', [-0.5, 0.3, 0.5, 0.8, 1.5])
def test_a_line_is_affine(t):
  got = jax.jit(_interpolate.lerp)(A, B, t)
  for name in ('w', 'b'):
    a, b = (np.asarray(x[name], np.float64) for x in (A, B))
    np.testing.assert_allclose(got[name], (1 - t) * a + t * b, atol=5e-7)


@pytest.mark.parametrize('t', [0.0, 0.3, 0.5, 1.0])
def test_the_derivative_of_a_line_is_the_difference(t):
  _, slope = jax.jvp(lambda t: _interpolate.lerp(A, B, t)['w'], (t,), (1.0,))
  np.testing.assert_array_equal(slope, B['w'] - A['w'])


def test_narrow_leaves_are_rounded_once():
  a, b = tree(1, jnp.bfloat16), tree(2, jnp.bfloat16)
  for move in (_interpolate.lerp, _interpolate.slerp):
    wide = move(
      *[{'w': x['w'].astype(jnp.float32), 'step': x['step']} for x in (a, b)],
      0.3,
    )
    got = move({k: a[k] for k in wide}, {k: b[k] for k in wide}, 0.3)
    chex.assert_trees_all_equal(got['w'], wide['w'].astype(jnp.bfloat16))


def test_wise_ft_is_the_line_between_its_ends():
  tuned = _interpolate.wise_ft(A, B, 0.25)
  chex.assert_trees_all_equal(tuned, _interpolate.lerp(A, B, 0.25))
  with pytest.raises(
    ValueError, match=r'`alpha` must lie in \[0, 1\], got 1.5'
  ):
    _interpolate.wise_ft(A, B, 1.5)


def test_the_published_point_on_an_arc():
  a, b = {'w': jnp.array([1.0, 0.0])}, {'w': jnp.array([0.0, 2.0])}
  got = jax.jit(_interpolate.slerp)(a, b, 0.25)['w']
  np.testing.assert_allclose(got, [0.92388, 0.76537], atol=5e-6)


@pytest.mark.parametrize('t', [0.0, 0.2, 0.5, 1.0])
def test_an_arc_is_that_of_every_leaf(t):
  got = jax.jit(_interpolate.slerp)(A, B, t, BASE)
  for name in ('w', 'b'):
    want = oracle(A[name], B[name], t, np.asarray(BASE[name], np.float64))
    np.testing.assert_allclose(got[name], want, atol=2e-6)


@pytest.mark.parametrize('t', [0.2, 0.5])
def test_an_arc_is_that_of_the_whole_tree(t):
  slerp = jax.jit(_interpolate.slerp, static_argnames='scope')
  got = slerp(A, B, t, BASE, scope='tree')
  flat = lambda x: np.concatenate(
    [np.asarray(x[n], np.float64).ravel() for n in ('w', 'b')]
  )
  want = oracle(flat(A), flat(B), t, flat(BASE))
  np.testing.assert_allclose(flat(got), want, atol=2e-6)


def test_an_arc_around_zero_keeps_the_length():
  a, b = ({'w': x['w'] / jnp.linalg.norm(x['w']), 'b': x['b']} for x in (A, B))
  for t in (0.1, 0.5, 0.9):
    length = jnp.linalg.norm(_interpolate.slerp(a, b, t)['w'])
    np.testing.assert_allclose(length, 1, rtol=1e-6)


ALONG = jnp.array([3.0, 4.0])
NO_ARC = {
  'equal': (ALONG, ALONG),
  'parallel': (ALONG, 2 * ALONG),
  'opposite': (ALONG, -ALONG),
  'to zero': (ALONG, 0 * ALONG),
  'from zero': (0 * ALONG, ALONG),
  'zero': (0 * ALONG, 0 * ALONG),
  'almost parallel': (ALONG, ALONG + jnp.array([1e-6, 0.0])),
  'large and parallel': (1e18 * ALONG, ALONG),
}


@pytest.mark.parametrize('scope', ['leaf', 'tree'])
def test_where_there_is_no_arc_it_is_the_line_and_differentiable(scope):
  def point(t, u, v):
    return _interpolate.slerp({'x': u}, {'x': v}, t, scope=scope)['x']

  us, vs = (jnp.stack(ends) for ends in zip(*NO_ARC.values(), strict=True))
  points = jax.jit(jax.vmap(point, (None, 0, 0)))
  slopes = jax.jit(jax.vmap(jax.jacobian(point, (0, 1, 2)), (None, 0, 0)))
  for t in (0.0, 0.25, 1.0):
    line = (1 - t) * us + t * vs
    np.testing.assert_allclose(points(t, us, vs), line, rtol=2e-6, atol=1e-6)
    chex.assert_tree_all_finite(slopes(t, us, vs))


def test_the_derivative_along_an_arc_is_that_of_the_formula():
  point = lambda t: _interpolate.slerp(A, B, t, BASE)['w']
  for t in (0.0, 0.4, 1.0):
    _, slope = jax.jvp(point, (t,), (1.0,))
    centre = np.asarray(BASE['w'], np.float64)
    ends = [oracle(A['w'], B['w'], t + h, centre) for h in (1e-6, -1e-6)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, atol=1e-5)


def test_arcs_and_lines_can_be_mapped():
  ts = jnp.linspace(0, 1, 5)
  for move in (_interpolate.lerp, _interpolate.slerp):
    many = jax.vmap(lambda t, move=move: move(A, B, t))(ts)
    one = move(A, B, ts[3])
    np.testing.assert_allclose(many['w'][3], one['w'], atol=1e-6)


@pytest.mark.optimized
def test_a_line_stays_where_the_models_are():
  mesh = sharding.mesh()
  place = jax.NamedSharding(mesh, jax.P(None, 'data'))
  a, b = ({'w': jax.device_put(x['w'], place)} for x in (A, B))
  for move in (_interpolate.lerp, _interpolate.slerp):
    assert jax.jit(move)(a, b, 0.3)['w'].sharding == place
    assert move(a, b, 0.3)['w'].sharding == place
  text = jax.jit(_interpolate.lerp).lower(a, b, 0.3).compile().as_text()
  assert 'all-' not in text


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda f: f(A, A | {'b': jnp.zeros(3)}, 0.5), "b, beside a: leaf 'b'"),
    (lambda f: f(A, A | {'step': jnp.array(4)}, 0.5), "'step' is not floating"),
    (lambda f: f(A, {'w': A['w']}, 0.5), r"Missing: \['b', 'step'\]"),
    (lambda f: f(A, B, jnp.ones(2)), r'`t` must be a scalar.*\(2,\)'),
  ],
)
@pytest.mark.parametrize('move', [_interpolate.lerp, _interpolate.slerp])
def test_bad_ends_are_refused(move, call, message):
  with pytest.raises(ValueError, match=message):
    call(move)


def test_a_bad_centre_or_scope_is_refused():
  with pytest.raises(ValueError, match="base, beside a: leaf 'b'"):
    _interpolate.slerp(A, B, 0.5, A | {'b': jnp.zeros(3)})
  with pytest.raises(ValueError, match="'leaf' or 'tree', got 'layer'"):
    _interpolate.slerp(A, B, 0.5, scope='layer')
