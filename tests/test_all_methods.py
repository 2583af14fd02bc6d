"""One row per public method, and the laws that every row keeps.

A new method adds one row to the table of its kind; a new package of methods
adds one line to `TABLES` and, with its kind, its own laws.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import paramspace
from paramspace import averaging
from paramspace import base
from paramspace import reparam
from paramspace import trees

KEY = jax.random.key(7)


def make_params(dtype=jnp.float32):
  """A leaf with tiles of its own, short ones, a scalar, and no floats."""
  shapes = {'kernel': (128, 16), 'bias': (16,)}
  draw = lambda i, s: jax.random.normal(jax.random.key(i), s, dtype)
  return {
    'Dense_0': {n: draw(i, s) for i, (n, s) in enumerate(shapes.items())},
    'Dense_1': {'kernel': draw(2, (16, 3))},
    'scale': draw(3, ()),
    'step': jnp.array([3, 4]),
    'trained': jnp.array(True),
  }


PARAMS = make_params()
D = 128 * 16 + 16 + 16 * 3 + 1


class Reparam(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the method with small arguments.
    count: The number of trained scalars on `PARAMS`.
    linear: Whether theta is affine in z.
    nested: Whether a prefix of z is a map of the same kind.
    dependent: Why the draw of a leaf is not its own; empty where it is. What
      is compared is the draw, not theta: `dense` and `sparse` normalise over
      the tree, and the place of a leaf on the common tape of `hashed` and
      `hadamard` moves.
  """

  make: Callable[[], base.Reparam]
  count: int
  linear: bool = True
  nested: bool = False
  dependent: str = ''


REPARAMS = {
  'dense': Reparam(lambda: reparam.dense(dim=6), count=6, nested=True),
  'sparse': Reparam(lambda: reparam.sparse(dim=6), count=6, nested=True),
  'fastfood': Reparam(
    lambda: reparam.fastfood(dim=6),
    count=6,
    nested=True,
    dependent='one vector for the whole tree, by definition',
  ),
  'hadamard': Reparam(lambda: reparam.hadamard(dim=6), count=6, nested=True),
  'hashed': Reparam(lambda: reparam.hashed(dim=6), count=6),
  'full': Reparam(reparam.full, count=D, dependent='nothing is drawn'),
  'select': Reparam(
    lambda: reparam.select(
      {'.*/kernel': reparam.hashed(dim=5), '.*/bias': reparam.full()}
    ),
    count=5 + 16,
  ),
  'chain': Reparam(
    lambda: reparam.chain(reparam.hashed(dim=8), reparam.dense(dim=3)),
    count=3,
    nested=True,
  ),
  'add': Reparam(
    lambda: reparam.add(reparam.hashed(dim=4), reparam.full()), count=4 + D
  ),
}


class Averager(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the averager, for `(every, start)`.
    profile: Returns the weights of the samples at times `[n]`, each of which
      stands for an interval; they sum to 1.
    runs: Whether it is a running mean, with one buffer.
  """

  make: Callable[..., base.Averager]
  profile: Callable[[np.ndarray, int], np.ndarray]
  runs: bool = True


def running(weights):
  return functools.partial(averaging.averager, weights)


def product(weights):
  """The response of a running mean, from its weights alone."""
  kept = np.cumprod((1 - weights)[::-1])[::-1]
  return weights * np.append(kept[1:], 1.0)


def ema_profile(times, interval, decay=0.9):
  shares = decay ** (times[-1] - times) * (1 - decay**interval)
  return np.append(1 - shares[1:].sum(), shares[1:])


def halflife_profile(times, interval, fraction=0.3):
  weights = 1 - 2 ** (-interval / (fraction * times))
  return product(np.append(1.0, weights[1:]))


def mass_profile(times, interval, gamma):
  """The mass of (gamma + 1) t^gamma / T^(gamma + 1) over each interval."""
  ends = np.append(0, times) / times[-1]
  return np.diff(ends ** (gamma + 1))


AVERAGERS = {
  'uniform': Averager(
    running(averaging.uniform()),
    lambda times, interval: np.full(len(times), 1 / len(times)),
  ),
  'ema': Averager(running(averaging.ema(0.9)), ema_profile),
  'power': Averager(
    running(averaging.power(gamma=5.0)),
    functools.partial(mass_profile, gamma=5.0),
  ),
  'halflife': Averager(running(averaging.halflife(0.3)), halflife_profile),
  'window': Averager(
    functools.partial(averaging.window, 3),
    lambda times, interval: np.append(
      np.zeros(max(len(times) - 3, 0)),
      np.full(min(len(times), 3), 1 / min(len(times), 3)),
    ),
    runs=False,
  ),
}

# Of each package: its table, and its public functions that are no methods.
TABLES = {
  'averaging': (
    AVERAGERS,
    (
      'as_optax',
      'averaged_params',
      'averager',
      'branch_and_merge',
      'collapse_experts',
      'combine',
      'diwa',
      'gamma_to_sigma_rel',
      'greedy_soup',
      'learned_soup',
      'lerp',
      'posthoc',
      'power_warmup',
      'pull_experts',
      'ratio_warmup',
      'reestimate_batch_stats',
      'response',
      'share_rate',
      'sigma_rel_to_gamma',
      'slerp',
      'uniform_soup',
      'warp',
      'wise_ft',
    ),
  ),
  'reparam': (
    REPARAMS,
    ('count', 'fingerprint', 'load', 'merge', 'rebase', 'save'),
  ),
}
NO_METHODS = ('cli', 'files', 'launch')  # Packages without methods.

# Sharded along the last axis too; the others are made of these or flatten.
SHARDED_BY_COLUMN = ('dense', 'hadamard', 'hashed')

every_averager = pytest.mark.parametrize('name', AVERAGERS)
every_reparam = pytest.mark.parametrize('name', REPARAMS)
linear_reparam = pytest.mark.parametrize(
  'name', [n for n, row in REPARAMS.items() if row.linear]
)
independent_reparam = pytest.mark.parametrize(
  'name', [n for n, row in REPARAMS.items() if not row.dependent]
)
reparam_with_dim = pytest.mark.parametrize(
  'name',
  [
    n
    for n in REPARAMS
    if 'dim' in inspect.signature(getattr(reparam, n)).parameters
  ],
)


@functools.cache
def initial(name):
  """Returns a method and its draw on `PARAMS`."""
  rp = REPARAMS[name].make()
  z, frozen = jax.jit(rp.init)(KEY, PARAMS)
  return rp, z, frozen


@functools.cache
def moved(name):
  """Returns coordinates away from the start."""
  _, z, _ = initial(name)
  return add(z, normal(11, z))


@functools.cache
def forward_and_backward(name):
  rp, _, _ = initial(name)

  def step(params, z, frozen):
    theta, back = jax.vjp(lambda z: weights(rp.apply(params, z, frozen)), z)
    return theta, back(jax.tree.map(jnp.sin, theta))[0]

  return jax.jit(step)


def normal(seed, like):
  flat, unravel = ravel_pytree(like)
  return unravel(jax.random.normal(jax.random.key(seed), flat.shape))


def add(a, b):
  return jax.tree.map(jnp.add, a, b)


def dot(a, b):
  a, b = (np.asarray(ravel_pytree(x)[0], np.float64) for x in (a, b))
  return float(a @ b)


def weights(tree):
  return trees.floating(tree)


def loss(theta):
  """A loss whose gradient and Hessian vary from weight to weight."""
  return sum(jnp.sum(jnp.sin(x) + x**3 / 6) for x in weights(theta).values())


# The table.


def packages():
  found = pkgutil.iter_modules(paramspace.__path__)
  return [m.name for m in found if m.ispkg and m.name not in NO_METHODS]


@pytest.mark.parametrize('package', packages())
def test_every_public_method_has_a_row(package):
  assert package in TABLES, f'Add the package {package!r} to TABLES.'
  table, others = TABLES[package]
  names = importlib.import_module(f'paramspace.{package}').__all__
  methods = {n for n in names if n.islower()} - set(others)
  missing, gone = methods - set(table), set(table) - methods
  assert not missing, f'{package}: add a row for {sorted(missing)}.'
  assert not gone, f'{package}: rows without a method: {sorted(gone)}.'
  assert set(others) <= set(names), f'{package}: no longer public: {others}.'


# The laws of theta = f(theta_0, z).


@every_reparam
def test_the_initial_coordinates_give_the_origin_bit_for_bit(name):
  rp, z, frozen = initial(name)
  theta = jax.jit(rp.apply)(PARAMS, z, frozen)
  chex.assert_trees_all_equal(theta, PARAMS)
  chex.assert_trees_all_equal_dtypes(theta, PARAMS)


@reparam_with_dim
def test_jit_changes_nothing(name):
  """Of what computes; the combinators only call it."""
  rp, _, frozen = initial(name)
  chex.assert_trees_all_close(
    jax.jit(rp.apply)(PARAMS, moved(name), frozen),
    rp.apply(PARAMS, moved(name), frozen),
    atol=1e-6,
    rtol=1e-6,
  )


@every_reparam
def test_integer_and_boolean_leaves_are_carried(name):
  rp, _, frozen = initial(name)
  theta = jax.jit(rp.apply)(PARAMS, moved(name), frozen)
  for leaf in ('step', 'trained'):
    chex.assert_trees_all_equal(theta[leaf], PARAMS[leaf])
    assert theta[leaf].dtype == PARAMS[leaf].dtype


@every_reparam
def test_the_number_of_trained_scalars(name):
  _, z, _ = initial(name)
  assert reparam.count(z) == REPARAMS[name].count


@every_reparam
def test_nested_is_declared(name):
  rp, z, _ = initial(name)
  assert rp.nested == REPARAMS[name].nested
  assert not rp.nested or z.ndim == 1


@linear_reparam
def test_theta_is_affine_in_the_coordinates(name):
  rp, z, frozen = initial(name)
  v = normal(1, z)
  apply = jax.jit(lambda z: weights(rp.apply(PARAMS, z, frozen)))
  origin, one = apply(z), apply(add(z, v))
  two = apply(add(z, jax.tree.map(lambda v: -2 * v, v)))
  expected = jax.tree.map(lambda o, a: o - 2 * (a - o), origin, one)
  chex.assert_trees_all_close(two, expected, atol=2e-5)


@every_reparam
def test_the_backward_pass_is_the_exact_adjoint(name):
  rp, _, frozen = initial(name)

  @jax.jit
  def both(z, v, g, frozen):
    f = lambda z: weights(rp.apply(PARAMS, z, frozen))
    return jax.jvp(f, (z,), (v,))[1], jax.vjp(f, z)[1](g)[0]

  v, g = normal(2, moved(name)), normal(3, weights(PARAMS))
  forward, backward = both(moved(name), v, g, frozen)
  scale = np.sqrt(dot(forward, forward) * dot(g, g))
  assert abs(dot(forward, g) - dot(v, backward)) < 1e-5 * scale


@linear_reparam
def test_gradient_and_hessian_against_the_matrix(name):
  """P^T g and P^T H P v, with P from the forward pass alone."""
  rp, z0, frozen = initial(name)
  start, unravel = ravel_pytree(z0)
  v = jax.random.normal(jax.random.key(4), start.shape)

  @jax.jit
  def derivatives(z, v, frozen):
    f = lambda z: loss(rp.apply(PARAMS, unravel(z), frozen))
    forward_over_reverse = jax.jvp(jax.grad(f), (z,), (v,))
    reverse = jax.grad(lambda z: jnp.vdot(jax.grad(f)(z), v))(z)
    return *forward_over_reverse, reverse

  @jax.jit
  def delta(v, frozen):
    f = lambda z: ravel_pytree(weights(rp.apply(PARAMS, unravel(z), frozen)))[0]
    return jax.jvp(f, (start,), (v,))[1]

  z = ravel_pytree(moved(name))[0]
  theta = weights(jax.jit(rp.apply)(PARAMS, moved(name), frozen))
  theta = np.asarray(ravel_pytree(theta)[0], np.float64)
  columns = jax.jit(jax.vmap(delta, (0, None)))(jnp.eye(start.size), frozen)
  p = np.asarray(columns, np.float64).T  # [D, d]
  gradient = p.T @ (np.cos(theta) + theta**2 / 2)
  curvature = p.T @ ((theta - np.sin(theta)) * (p @ np.asarray(v)))
  got, product, reverse = derivatives(z, v, frozen)
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
  close(got, gradient)
  close(product, curvature)
  close(reverse, curvature)


@every_reparam
def test_vmap_over_coordinates_is_a_loop(name):
  rp, z, frozen = initial(name)
  apply = jax.jit(rp.apply)
  zs = [z, moved(name)]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *zs)
  batch = jax.jit(jax.vmap(rp.apply, (None, 0, None)))(PARAMS, stack, frozen)
  for i, z in enumerate(zs):
    chex.assert_trees_all_close(
      jax.tree.map(lambda x, i=i: x[i], batch),
      apply(PARAMS, z, frozen),
      atol=1e-6,
      rtol=1e-6,
    )


@every_reparam
def test_vmap_over_keys_is_a_loop(name):
  rp, _, _ = initial(name)

  def draw_and_move(init, apply, key):
    _, frozen = init(key, PARAMS)
    return apply(PARAMS, moved(name), frozen)

  keys = jax.random.split(KEY, 2)
  each = functools.partial(draw_and_move, rp.init, rp.apply)
  batch = jax.jit(jax.vmap(each))(keys)
  for i, key in enumerate(keys):
    one = draw_and_move(jax.jit(rp.init), jax.jit(rp.apply), key)
    chex.assert_trees_all_close(
      jax.tree.map(lambda x, i=i: x[i], batch), one, atol=1e-6, rtol=1e-6
    )
  if REPARAMS[name].dependent != 'nothing is drawn':
    kernel = batch['Dense_0']['kernel']
    assert not np.allclose(kernel[0], kernel[1])


@every_reparam
def test_bfloat16_parameters_are_the_float32_result_cast_once(name):
  rp = initial(name)[0]
  narrow = make_params(jnp.bfloat16)
  wide = jax.tree.map(
    lambda x: x.astype(jnp.float32) if trees.is_floating(x) else x, narrow
  )
  start, drawn = jax.eval_shape(rp.init, KEY, narrow)
  _, _, frozen = initial(name)
  chex.assert_trees_all_equal_shapes_and_dtypes(drawn, frozen)
  z = jax.tree.map(lambda x, v: v.astype(x.dtype), start, moved(name))
  got = jax.jit(rp.apply)(narrow, z, frozen)
  chex.assert_trees_all_equal_dtypes(got, narrow)
  z = jax.tree.map(lambda x: x.astype(jnp.float32), z)
  expected = jax.jit(rp.apply)(wide, z, frozen)
  expected = jax.tree.map(lambda x, n: x.astype(n.dtype), expected, narrow)
  chex.assert_trees_all_equal(got, expected)


@pytest.mark.parametrize(
  ('name', 'axis'),
  [(n, 0) for n in REPARAMS] + [(n, -1) for n in SHARDED_BY_COLUMN],
)
def test_sharded_over_eight_devices_is_unsharded(name, axis):
  _, _, frozen = initial(name)
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)

  def place(x):
    spec = [None] * x.ndim
    if x.ndim and x.shape[axis] % 8 == 0:
      spec[axis] = 'devices'
    return jax.device_put(x, jax.NamedSharding(mesh, jax.P(*spec)))

  params = jax.tree.map(place, PARAMS)
  whole = jax.NamedSharding(mesh, jax.P())
  shapes = {x.shape for x in weights(PARAMS).values()}
  z = jax.tree.map(  # Those of `full` lie where their parameters do.
    lambda x: place(x) if x.shape in shapes else jax.device_put(x, whole),
    moved(name),
  )
  step = forward_and_backward(name)
  theta, gradient = step(params, z, jax.device_put(frozen, whole))
  expected = step(PARAMS, moved(name), frozen)
  chex.assert_trees_all_close(theta, expected[0], atol=1e-6, rtol=1e-6)
  chex.assert_trees_all_close(gradient, expected[1], atol=1e-4, rtol=1e-5)
  for leaf, x in weights(params).items():
    if not x.sharding.is_fully_replicated:
      got = theta[leaf].sharding
      assert got.is_equivalent_to(x.sharding, x.ndim), (leaf, got)


@independent_reparam
def test_a_draw_does_not_depend_on_other_leaves(name):
  rp, _, frozen = initial(name)
  more = PARAMS | {'A': jnp.ones(5)}  # Before all others.
  leaves = list(weights(PARAMS))
  own = lambda frozen: {
    n: x
    for n, x in trees.named(frozen).items()
    if any(n.endswith(f'/{leaf}') for leaf in leaves)
  }
  draws = own(frozen)
  assert draws, 'The row draws nothing by leaf: say so in `dependent`.'
  other = own(jax.jit(rp.init)(KEY, more)[1])
  chex.assert_trees_all_equal(draws, other)


@every_reparam
def test_saved_coordinates_come_back_with_their_basis(name, tmp_path):
  rp, _, frozen = initial(name)
  path = tmp_path / 'z.npz'
  reparam.save(path, rp, KEY, PARAMS, moved(name))
  z, drawn = reparam.load(path, rp, PARAMS)
  chex.assert_trees_all_equal(z, moved(name))
  chex.assert_trees_all_equal(drawn, frozen)


@every_reparam
def test_a_basis_of_another_key_is_refused(name, tmp_path):
  if REPARAMS[name].dependent == 'nothing is drawn':
    pytest.skip('nothing is drawn')
  rp, _, _ = initial(name)
  path = tmp_path / 'z.npz'
  reparam.save(path, rp, KEY, PARAMS, moved(name))
  with np.load(path) as file:
    saved = dict(file)
  np.savez(path, **saved | {'key': saved['key'] + 1})
  with pytest.raises(ValueError, match='not the one that was saved'):
    reparam.load(path, rp, PARAMS)


@every_reparam
def test_coordinates_of_another_shape_are_refused(name):
  rp, z, frozen = initial(name)
  wrong = jax.tree.map(lambda x: jnp.zeros((*x.shape, 2)), z)
  with pytest.raises(ValueError, match=r'should be|should have'):
    jax.eval_shape(rp.apply, PARAMS, wrong, frozen)
  with pytest.raises(ValueError, match=r'should be|different leaves'):
    reparam.merge(rp, PARAMS, wrong, frozen)


@pytest.mark.parametrize('tree', [{}, {'step': jnp.array(3)}])
@every_reparam
def test_a_tree_without_weights_is_refused(name, tree):
  with pytest.raises(ValueError, match='no floating-point parameters'):
    REPARAMS[name].make().init(KEY, tree)


@pytest.mark.parametrize('dim', [0, -1, 2.5, True])
@reparam_with_dim
def test_a_dimension_is_a_positive_integer(name, dim):
  with pytest.raises(ValueError, match='must be a positive integer, got'):
    getattr(reparam, name)(dim=dim)


@reparam_with_dim
def test_a_subspace_is_no_larger_than_the_space(name):
  rp = getattr(reparam, name)(dim=D + 1)
  with pytest.raises(ValueError, match=f'{D + 1}, more than the {D} param'):
    rp.init(KEY, PARAMS)


# The laws of averages.


def trajectory(steps, dtype=jnp.float32):
  """Yields parameters that drift away from where they began."""
  params = make_params(dtype)
  for step in range(1, steps + 1):
    move = lambda x, step=step: (
      (x + normal(step, x).astype(x.dtype) / 10).astype(x.dtype)
      if trees.is_floating(x)
      else x
    )
    params = jax.tree.map(move, params)
    yield params | {'step': jnp.array([step, 0])}


def averaged(averager, params):
  """Returns the state after all updates, through `jit`."""
  update = jax.jit(averager.update)
  state = None
  for theta in params:
    state = averager.init(theta) if state is None else state
    state = update(theta, state)
  return state


@pytest.mark.parametrize(
  ('every', 'start'), [(1, 0), (3, 0), (1, 5), (4, 2), (7, 1)]
)
@every_averager
def test_the_response_is_the_profile_that_is_stated(name, every, start):
  row, steps = AVERAGERS[name], 41
  got = averaging.response(row.make(every=every, start=start), steps)
  times = np.arange(every, steps - start + 1, every)
  expected = np.zeros(steps)
  expected[start + times - 1] = row.profile(times.astype(float), every)
  np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
  assert (got >= 0).all()
  assert abs(got.sum() - 1) < 1e-12


@every_averager
def test_an_average_is_the_sum_that_its_response_says(name):
  """In float64 NumPy, step by step."""
  steps, row = 11, AVERAGERS[name]
  response = averaging.response(row.make(every=2, start=1), steps)
  params = list(trajectory(steps))
  state = averaged(row.make(every=2, start=1), params)
  mean = weights(jax.jit(row.make().value)(state))
  for leaf, x in mean.items():
    rows = np.stack([np.asarray(weights(p)[leaf], np.float64) for p in params])
    expected = np.tensordot(response, rows, 1)
    np.testing.assert_allclose(x, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize('compensated', [False, True])
@every_averager
def test_a_constant_stays_what_it_is_to_the_bit(name, compensated):
  row = AVERAGERS[name]
  options = {'compensated': compensated} if row.runs else {}
  averager = row.make(every=2, start=3, **options)
  state = averager.init(jax.tree.map(jnp.zeros_like, PARAMS))
  update = jax.jit(averager.update)
  for _ in range(50):
    state = update(PARAMS, state)
  chex.assert_trees_all_equal(jax.jit(averager.value)(state), PARAMS)


@every_averager
def test_until_the_first_sample_the_average_is_the_last_parameters(name):
  averager = AVERAGERS[name].make(every=4, start=2)
  params = list(trajectory(7))
  for count in 0, 1, 3, 5, 6:
    last = params[count - 1] if count else PARAMS
    state = averaged(averager, params[:count]) or averager.init(PARAMS)
    chex.assert_trees_all_equal(averager.value(state), last)


@every_averager
def test_bfloat16_parameters_are_averaged_in_float32(name):
  averager = AVERAGERS[name].make()
  narrow = list(trajectory(9, jnp.bfloat16))
  widen = lambda x: x.astype(jnp.float32) if trees.is_floating(x) else x
  wide = [jax.tree.map(widen, params) for params in narrow]
  value = jax.jit(averager.value)
  mean = value(averaged(averager, narrow))
  chex.assert_trees_all_equal(mean, value(averaged(averager, wide)))
  like = averager.value(averaged(averager, narrow), like=narrow[0])
  chex.assert_trees_all_equal_dtypes(like, narrow[0])
  chex.assert_trees_all_equal(like, trees.cast(mean, narrow[0]))


@every_averager
def test_leaves_that_are_not_floating_are_those_of_the_last_step(name):
  key = {'key': jax.random.key(3)}
  averager = AVERAGERS[name].make(every=4)
  params = [p | key for p in trajectory(6)]
  mean = averager.value(averaged(averager, params))
  np.testing.assert_array_equal(mean['step'], [6, 0])
  assert bool(mean['trained'])
  assert mean['key'] == jax.random.key(3)


@every_averager
def test_an_update_keeps_every_leaf_where_it_is_and_moves_none(name):
  """Over 8 devices, with no collective in the program."""
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)

  def place(x):
    spec = ('devices',) if x.ndim and x.shape[0] % 8 == 0 else ()
    return jax.device_put(x, jax.NamedSharding(mesh, jax.P(*spec)))

  params = jax.tree.map(place, PARAMS)
  averager = AVERAGERS[name].make(every=2)
  state = jax.jit(averager.init)(params)
  update = jax.jit(averager.update)
  text = update.lower(params, state).compile().as_text()
  for word in ('all-reduce', 'all-gather', 'all-to-all', 'permute', 'scatter'):
    assert f'{word}(' not in text
  for _ in range(4):
    state = update(params, state)
  mean = jax.jit(averager.value)(state)
  for leaf, x in weights(mean).items():
    sharding = weights(params)[leaf].sharding
    assert x.sharding.is_equivalent_to(sharding, x.ndim), (leaf, x.sharding)


@every_averager
def test_a_vmapped_average_is_a_loop(name):
  averager = AVERAGERS[name].make(every=2)
  pairs = [
    jax.tree.map(lambda *x: jnp.stack(x), a, b)
    for a, b in zip(trajectory(5), list(trajectory(5))[::-1], strict=True)
  ]
  state = jax.vmap(averager.init)(pairs[0])
  for pair in pairs:
    state = jax.jit(jax.vmap(averager.update))(pair, state)
  both = jax.vmap(averager.value)(state)
  one = averager.value(averaged(averager, trajectory(5)))
  chex.assert_trees_all_close(
    weights(jax.tree.map(lambda x: x[0], both)), weights(one), atol=1e-6
  )


@every_averager
def test_parameters_of_another_shape_are_refused(name):
  averager = AVERAGERS[name].make()
  state = averager.init(PARAMS)
  wrong = PARAMS | {'scale': jnp.zeros(3)}
  with pytest.raises(
    ValueError, match=r"'scale' should be .*\[\], got .*\[3\]"
  ):
    averager.update(wrong, state)


@pytest.mark.parametrize('number', [0, -1, 1.5, True])
@every_averager
def test_samples_are_whole_steps_apart(name, number):
  with pytest.raises(ValueError, match='`every` must be an integer'):
    AVERAGERS[name].make(every=number)
