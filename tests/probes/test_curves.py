import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace import probes
from paramspace import trees

FORMS = {'bezier': probes.bezier, 'polygon': probes.polygon}
every_form = pytest.mark.parametrize('form', FORMS)
X = jnp.linspace(-2, 2, 64)[:, None]
Y = jnp.sin(3 * X)
HIDDEN = 24


def loss(params, batch):
  x, y = batch
  hidden = jnp.tanh(x @ params['in']['kernel'] + params['in']['bias'][None])
  return jnp.mean((hidden @ params['out']['kernel'] - y) ** 2)


def make_model(seed, dtype=jnp.float32):
  normal = np.random.default_rng(seed).normal
  draw = lambda scale, *shape: jnp.asarray(normal(0, scale, shape), dtype)
  first = {'kernel': draw(3, 1, HIDDEN), 'bias': draw(1, HIDDEN)}
  return {'in': first, 'out': {'kernel': draw(0.25, HIDDEN, 1)}}


@jax.jit
def minimum(params):
  optimizer = optax.adam(1e-2)

  def step(_, carry):
    params, state = carry
    with jax.numpy_dtype_promotion('standard'):
      updates, state = optimizer.update(
        jax.grad(loss)(params, (X, Y)), state, params
      )
    return optax.apply_updates(params, updates), state

  return jax.lax.fori_loop(0, 1000, step, (params, optimizer.init(params)))[0]


@pytest.fixture(scope='module')
def minima():
  return minimum(make_model(0)), minimum(make_model(1))


def bent(form, bends, dtype=jnp.float32):
  """A curve off the chord."""
  a, b = make_model(0, dtype), make_model(1, dtype)
  curve = FORMS[form](a, b, bends)
  others = [trees.floating(make_model(2 + k)) for k in range(bends)]
  return curve._replace(bends=tuple(others))


def stacked(tree_list, name):
  return np.stack(
    [np.asarray(trees.named(t)[name], np.float64) for t in tree_list]
  )


def bernstein(t, points):
  """By de Casteljau's construction, in float64."""
  while len(points) > 1:
    points = (1 - t) * points[:-1] + t * points[1:]
  return points[0]


def chain(t, points):
  knots = np.linspace(0, 1, len(points))
  flat = points.reshape(len(points), -1).T
  at = np.array([np.interp(t, knots, row) for row in flat])
  return at.reshape(points.shape[1:])


@pytest.mark.parametrize('bends', [1, 3])
@pytest.mark.parametrize(
  ('form', 'oracle'), [('bezier', bernstein), ('polygon', chain)]
)
def test_points_are_those_of_the_construction(form, oracle, bends):
  curve = bent(form, bends)
  at = jax.jit(probes.point)
  for t in (0.0, 0.1, 0.25, 0.5, 0.77, 1.0):
    got = at(curve, t)
    for name in ('in/kernel', 'out/kernel'):
      points = stacked([curve.a, *curve.bends, curve.b], name)
      np.testing.assert_allclose(
        trees.named(got)[name], oracle(t, points), rtol=2e-5, atol=2e-6
      )


@every_form
def test_an_untrained_curve_is_the_line(form):
  a, b = make_model(0), make_model(1)
  metric = lambda params: loss(params, (X, Y))
  line = probes.line(metric, a, b, steps=7)
  curve = probes.curve(metric, FORMS[form](a, b, bends=2), steps=7)
  np.testing.assert_allclose(curve.values, line.values, rtol=1e-4)
  np.testing.assert_array_equal(curve.t, line.t)
  expected = {'probe': 'curve', 'form': form, 'bends': 2, 'steps': 7}
  assert dict(curve.settings) == expected | {'prepared': False}


@pytest.mark.parametrize(
  ('form', 'dtype'), [('polygon', 'float32'), ('bezier', 'bfloat16')]
)
def test_the_ends_stay_exact_while_the_bends_are_trained(form, dtype):
  curve = bent(form, 2, dtype)
  trainer = probes.curve_trainer(
    lambda params, batch: sum(
      jnp.sum(trees.widen(x) ** 2) for x in jax.tree.leaves(params)
    ),
    optax.adam(0.1),
  )
  update, state, new = jax.jit(trainer.update), trainer.init(curve), curve
  for step in range(3):
    new, state, _ = update(jax.random.key(step), new, state, None)
  for bend, old in zip(new.bends, curve.bends, strict=True):
    assert all((bend[n] != old[n]).any() for n in old)
    assert all(x.dtype == jnp.float32 for x in bend.values())
  at = jax.jit(probes.point)
  for t, end in ((0.0, curve.a), (1.0, curve.b)):
    got = at(new, t)
    jax.tree.map(np.testing.assert_array_equal, got, end)
    assert all(x.dtype == dtype for x in jax.tree.leaves(got))


def test_a_trained_curve_goes_around_the_barrier(minima):
  a, b = minima
  metric = lambda params: loss(params, (X, Y))
  straight = probes.barrier(probes.line(metric, a, b))
  schedule = optax.cosine_decay_schedule(2e-2, 1000)
  found = probes.train_curve(
    jax.random.key(0),
    probes.bezier(a, b),
    loss,
    [(X, Y)] * 1000,
    optax.adam(schedule),
  )
  path = probes.curve(metric, found.curve)
  assert max(path.values[0], path.values[-1]) < 0.05 < straight
  assert probes.barrier(path) < 0.1 * straight
  assert len(found.losses) == 1000


def test_l2_is_of_the_point_on_the_curve():
  curve, l2 = bent('bezier', 1), 0.5
  nothing = lambda params, batch: 0 * jnp.sum(params['in']['bias'])
  trainer = probes.curve_trainer(nothing, optax.sgd(1.0), l2)
  key = jax.random.key(4)
  t = jax.random.uniform(key)
  new, _, value = jax.jit(trainer.update)(key, curve, trainer.init(curve), None)
  theta = trees.named(probes.point(curve, t))
  for name, old in curve.bends[0].items():
    # d/d bend of l2 / 2 |theta|^2, where d theta / d bend = 2 t (1 - t).
    expected = old - l2 * 2 * t * (1 - t) * theta[name]
    np.testing.assert_allclose(
      new.bends[0][name], expected, rtol=1e-5, atol=1e-6
    )
  assert value == 0


def test_a_step_is_at_one_t_that_its_key_draws():
  curve = bent('polygon', 1)
  metric = lambda params: loss(params, (X, Y))
  found = probes.train_curve(
    jax.random.key(5), curve, loss, [(X, Y)] * 4, optax.sgd(0.0)
  )
  keys = [jax.random.fold_in(jax.random.key(5), k) for k in range(4)]
  points = [probes.point(curve, jax.random.uniform(key)) for key in keys]
  np.testing.assert_allclose(
    found.losses, [metric(p) for p in points], rtol=1e-5
  )
  assert len(set(found.losses)) == 4


def test_leaves_that_are_not_floating_are_carried():
  step = {'step': jnp.array(3), 'key': jax.random.key(1)}
  a, b = make_model(0) | step, make_model(1) | step
  found = probes.train_curve(
    jax.random.key(0), probes.bezier(a, b), loss, [(X, Y)]
  )
  point = probes.point(found.curve, 0.3)
  assert point['step'] == 3 and point['key'] == step['key']


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda c: probes.bezier(c.a, {'in': c.a['in']}), 'out/kernel'),
    (lambda c: probes.polygon(c.a, c.b, 0), '`bends` must be a positive'),
    (lambda c: probes.point(c, jnp.zeros(3)), r'`t` must be a scalar.*\(3,\)'),
    (lambda c: probes.curve(loss, c, steps=1), '`steps` must be'),
    (lambda c: probes.curve_trainer(loss, optax.sgd(1), -1), '`l2` must be'),
    (
      lambda c: probes.train_curve(jax.random.key(0), c, loss, []),
      '`batches` is empty',
    ),
    (
      lambda c: probes.train_curve(
        jax.random.key(0), c, loss, [(X, Y), (X, Y * jnp.nan)]
      ),
      'loss of step 1 is nan',
    ),
  ],
)
def test_bad_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call(bent('bezier', 1))
