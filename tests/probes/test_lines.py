import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import averaging
from paramspace import probes
from paramspace import sharding

X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 3)), jnp.float32)


def make_model(seed, dtype=jnp.float32):
  normal = np.random.default_rng(seed).normal
  draw = lambda *shape: jnp.asarray(normal(size=shape), dtype)
  return {
    'first': {'kernel': draw(3, 16), 'bias': draw(16)},
    'last': {'kernel': draw(16, 1)},
    'step': jnp.array(7),
  }


A, B = make_model(0), make_model(1)


def outputs(params, x):
  first = {n: p.astype(jnp.float32) for n, p in params['first'].items()}
  hidden = jnp.tanh(x @ first['kernel'] + first['bias'][None])
  return hidden @ params['last']['kernel'].astype(jnp.float32)


def loss(params, x=X):
  return jnp.mean((outputs(params, x) - 1) ** 2)


def both(params, data):
  """Loss and accuracy, of training and test data, from one pass."""
  values = {}
  for name, x in data.items():
    y = outputs(params, x)
    values[name] = {
      'loss': jnp.mean((y - 1) ** 2),
      'accuracy': jnp.mean(y > 0, dtype=jnp.float32),
    }
  return values


DATA = {'train': X, 'test': X[:7]}


def same(params, models):
  """Whether the parameters are each of the models, to the bit."""
  bits = lambda tree: [
    jax.lax.bitcast_convert_type(x, jnp.int32)
    for x in jax.tree.leaves(tree)
    if x.dtype == jnp.float32
  ]
  equal = lambda model: jnp.stack(
    [(x == y).all() for x, y in zip(bits(params), bits(model), strict=True)]
  ).all()
  return [equal(model) for model in models]


def test_every_point_is_the_metric_of_the_point():
  path = probes.line(both, A, B, steps=5, data=DATA)
  assert path.t.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
  expected_at = jax.jit(lambda t: both(averaging.lerp(A, B, t), DATA))
  for k, t in enumerate(path.t):
    expected = expected_at(t)
    got = jax.tree.map(lambda x, k=k: x[k], path.values)
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), got, expected
    )


@pytest.mark.optimized
@pytest.mark.parametrize('batch_size', [None, 3])
def test_the_ends_are_the_models_to_the_bit(batch_size):
  path = probes.line(same, A, B, steps=7, data=[A, B], batch_size=batch_size)
  is_a, is_b = path.values
  assert is_a.tolist() == [True] + 6 * [False]
  assert is_b.tolist() == 6 * [False] + [True]


def test_the_line_of_a_model_with_itself_is_flat():
  path = probes.line(loss, A, A)
  assert len(set(path.values.tolist())) == 1
  assert probes.line(same, A, A, data=[A]).values[0].all()


def test_jit_and_vmap_change_nothing():
  draw = jax.jit(lambda a, b: probes.line(loss, a, b, steps=5))
  path = probes.line(loss, A, B, steps=5)
  got = draw(A, B)
  np.testing.assert_allclose(got.values, path.values, rtol=1e-6)
  assert got.settings == path.settings
  stack = jax.tree.map(lambda *x: jnp.stack(x), B, A)
  between = lambda b: probes.barrier(
    probes.line(loss, A, b, steps=5), 'midpoint'
  )
  pair = jax.vmap(between)(stack | {'step': jnp.array([7, 7])})
  expected = probes.barrier(path, 'midpoint')
  np.testing.assert_allclose(pair, [expected, 0], rtol=1e-5, atol=1e-6)


def test_a_barrier_has_a_gradient_in_the_models():
  rise = lambda b: probes.barrier(
    probes.line(loss, A, A | {'last': b}, steps=3), 'midpoint'
  )
  slope = jax.grad(rise)(B['last'])['kernel']
  move = lambda sign: {'kernel': B['last']['kernel'] + sign * 1e-2 * slope}
  change = rise(move(1)) - rise(move(-1))
  np.testing.assert_allclose(change, 2e-2 * jnp.sum(slope**2), rtol=2e-2)


def test_a_metric_is_compiled_once_for_all_pairs():
  traced = []

  def counted(params, x):
    traced.append(1)
    return loss(params, x)

  for seed in range(4):
    probes.line(counted, A, make_model(seed), steps=3, data=X)
  assert len(traced) == 1


def test_what_prepare_returns_is_measured():
  path = probes.line(loss, A, B, steps=5)
  turned = lambda params: averaging.lerp(params, A, 1.0)
  flat = probes.line(loss, A, B, steps=5, prepare=turned)
  np.testing.assert_allclose(flat.values, 5 * [path.values[0]], rtol=1e-6)
  assert flat.settings['prepared'] and not path.settings['prepared']
  as_is = probes.line(loss, A, B, steps=5, prepare=lambda params: params)
  np.testing.assert_allclose(as_is.values, path.values, rtol=1e-6)


def test_bfloat16_models_are_measured_as_they_are():
  narrow = [make_model(seed, jnp.bfloat16) for seed in (0, 1)]
  points = []
  keep = lambda params: points.append(params) or params
  path = probes.line(loss, *narrow, steps=5, prepare=keep)
  mapped = probes.line(loss, *narrow, steps=5)
  np.testing.assert_allclose(path.values, mapped.values, rtol=1e-6)
  assert mapped.values.dtype == jnp.float32
  wide = jax.tree.map(lambda x: x.astype(jnp.float32) if x.ndim else x, narrow)
  for t, got in zip(path.t, points, strict=True):
    kernel = averaging.lerp(*wide, t)['first']['kernel']
    assert got['first']['kernel'].dtype == jnp.bfloat16
    np.testing.assert_array_equal(
      got['first']['kernel'], kernel.astype(jnp.bfloat16)
    )


@pytest.mark.optimized
def test_sharded_models_have_the_same_path_plane_and_curve():
  mesh = sharding.mesh()
  cut = {
    'first': {'kernel': jax.P(None, 'data'), 'bias': jax.P('data')},
    'last': {'kernel': jax.P('data')},
    'step': jax.P(),
  }
  place = lambda model: jax.tree.map(
    lambda x, spec: jax.device_put(x, jax.NamedSharding(mesh, spec)),
    model,
    cut,
  )
  a, b, c = A, B, make_model(2)
  spread = [place(model) for model in (a, b, c)]
  probe = lambda a, b, c: (
    probes.line(loss, a, b, steps=5),
    probes.plane(loss, a, b, c, steps=3),
    probes.curve(loss, probes.bezier(a, b), steps=5),
  )
  # Compiles in half the time, to what runs slower.
  options = {'xla_backend_optimization_level': 0}
  run = jax.jit(probe, compiler_options=options)
  got, expected = run(*spread), run(a, b, c)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-5),
    got,
    expected,
  )
  (bend,) = probes.bezier(*spread[:2]).bends
  wanted = spread[0]['first']['kernel'].sharding
  assert bend['first/kernel'].sharding.is_equivalent_to(wanted, 2)


def test_settings_go_into_json():
  settings = probes.line(loss, A, B, steps=3).settings
  expected = {'probe': 'line', 'steps': 3, 'prepared': False}
  assert json.loads(json.dumps(dict(settings))) == expected


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'b': A | {'last': {'kernel': jnp.ones((16, 2))}}}, "'last/kernel'"),
    ({'b': {'first': A['first']}}, 'last/kernel'),
    ({'b': make_model(1, jnp.bfloat16)}, 'bfloat16'),
    ({'b': B | {'step': jnp.array(8)}}, "'step' is not floating-point"),
    ({'a': {'step': jnp.array(7)}}, 'no floating-point parameters'),
    ({'steps': 1}, '`steps` must be an integer of 2 or more.*1'),
    ({'steps': 2.5}, r'`steps` .*2\.5'),
    ({'batch_size': 0}, '`batch_size` must be a positive integer'),
    ({'batch_size': 2, 'prepare': lambda p: p}, 'Give one of the two'),
    ({'metric': lambda p: p['first']['bias']}, r'its value.*\[16\]'),
    ({'metric': lambda p: {'x': p['last']['kernel']}}, r"'x' has the shape"),
    ({'metric': lambda p: None}, 'nothing to measure'),
  ],
)
def test_bad_input_is_refused(options, message):
  with pytest.raises(ValueError, match=message):
    probes.line(**({'metric': loss, 'a': A, 'b': B} | options))


def test_models_of_float64_are_measured_in_float64():
  with jax.enable_x64(True):
    a, b, c = ({'w': np.full(3, x) * [1, 2, 3]} for x in (0.1, 0.7, 0.3))
    c['w'][0] += 1
    thirds = lambda params: jnp.sum(params['w']) / 6
    line = probes.line(thirds, a, b, steps=4)
    curve = probes.curve(thirds, probes.bezier(a, b, bends=2), steps=4)
    for path in (line, curve):
      assert path.values.dtype == jnp.float64
      np.testing.assert_allclose(path.values, [0.1, 0.3, 0.5, 0.7], rtol=1e-14)
    found = probes.plane(thirds, a, b, c, steps=2)
    length = np.linalg.norm(a['w'] - b['w'])
    np.testing.assert_allclose(found.models[1], [length, 0], rtol=1e-14)
