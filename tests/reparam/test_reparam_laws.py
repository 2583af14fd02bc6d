"""What every reparameterization keeps: the laws of theta = f(theta_0, z)."""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_all_methods as methods
from jax.flatten_util import ravel_pytree

from paramspace import reparam
from paramspace import trees

# Sharded along the last axis too; the others are made of these or flatten.
SHARDED_BY_COLUMN = ('dense', 'hadamard', 'hashed')
every_reparam = pytest.mark.parametrize('name', methods.REPARAMS)
linear_reparam = pytest.mark.parametrize(
  'name', [n for n, row in methods.REPARAMS.items() if row.linear]
)
independent_reparam = pytest.mark.parametrize(
  'name', [n for n, row in methods.REPARAMS.items() if not row.dependent]
)
reparam_with_dim = pytest.mark.parametrize(
  'name',
  [
    n
    for n in methods.REPARAMS
    if 'dim' in inspect.signature(getattr(reparam, n)).parameters
  ],
)


@functools.cache
def initial(name):
  """Returns a method and its draw on `PARAMS`."""
  rp = methods.REPARAMS[name].make()
  z, frozen = jax.jit(rp.init)(methods.KEY, methods.PARAMS)
  return rp, z, frozen


@functools.cache
def moved(name):
  """Returns coordinates away from the start."""
  _, z, _ = initial(name)
  return add(z, methods.normal(11, z))


@functools.cache
def forward_and_backward(name):
  rp, _, _ = initial(name)

  def step(params, z, frozen):
    theta, back = jax.vjp(
      lambda z: methods.weights(rp.apply(params, z, frozen)), z
    )
    return theta, back(jax.tree.map(jnp.sin, theta))[0]

  return jax.jit(step)


def add(a, b):
  return jax.tree.map(jnp.add, a, b)


def dot(a, b):
  a, b = (np.asarray(ravel_pytree(x)[0], np.float64) for x in (a, b))
  return float(a @ b)


def loss(theta):
  """A loss whose gradient and Hessian vary from weight to weight."""
  return sum(
    jnp.sum(jnp.sin(x) + x**3 / 6) for x in methods.weights(theta).values()
  )


@pytest.mark.optimized
@every_reparam
def test_the_initial_coordinates_give_the_origin_bit_for_bit(name):
  rp, z, frozen = initial(name)
  theta = jax.jit(rp.apply)(methods.PARAMS, z, frozen)
  chex.assert_trees_all_equal(theta, methods.PARAMS)
  chex.assert_trees_all_equal_dtypes(theta, methods.PARAMS)


@reparam_with_dim
def test_jit_changes_nothing(name):
  """Of what computes; the combinators only call it."""
  rp, _, frozen = initial(name)
  chex.assert_trees_all_close(
    jax.jit(rp.apply)(methods.PARAMS, moved(name), frozen),
    rp.apply(methods.PARAMS, moved(name), frozen),
    atol=1e-6,
    rtol=1e-6,
  )


@every_reparam
def test_integer_and_boolean_leaves_are_carried(name):
  rp, _, frozen = initial(name)
  theta = jax.jit(rp.apply)(methods.PARAMS, moved(name), frozen)
  for leaf in ('step', 'trained'):
    chex.assert_trees_all_equal(theta[leaf], methods.PARAMS[leaf])
    assert theta[leaf].dtype == methods.PARAMS[leaf].dtype


@every_reparam
def test_the_number_of_trained_scalars(name):
  _, z, _ = initial(name)
  assert reparam.count(z) == methods.REPARAMS[name].count


@every_reparam
def test_nested_is_declared(name):
  rp, z, _ = initial(name)
  assert rp.nested == methods.REPARAMS[name].nested
  assert not rp.nested or z.ndim == 1


@linear_reparam
def test_theta_is_affine_in_the_coordinates(name):
  rp, z, frozen = initial(name)
  v = methods.normal(1, z)
  apply = jax.jit(
    lambda z: methods.weights(rp.apply(methods.PARAMS, z, frozen))
  )
  origin, one = apply(z), apply(add(z, v))
  two = apply(add(z, jax.tree.map(lambda v: -2 * v, v)))
  expected = jax.tree.map(lambda o, a: o - 2 * (a - o), origin, one)
  chex.assert_trees_all_close(two, expected, atol=2e-5)


@every_reparam
def test_the_backward_pass_is_the_exact_adjoint(name):
  rp, _, frozen = initial(name)

  @jax.jit
  def both(z, v, g, frozen):
    f = lambda z: methods.weights(rp.apply(methods.PARAMS, z, frozen))
    return jax.jvp(f, (z,), (v,))[1], jax.vjp(f, z)[1](g)[0]

  v, g = (
    methods.normal(2, moved(name)),
    methods.normal(3, methods.weights(methods.PARAMS)),
  )
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
    f = lambda z: loss(rp.apply(methods.PARAMS, unravel(z), frozen))
    forward_over_reverse = jax.jvp(jax.grad(f), (z,), (v,))
    reverse = jax.grad(lambda z: jnp.vdot(jax.grad(f)(z), v))(z)
    return *forward_over_reverse, reverse

  @jax.jit
  def delta(v, frozen):
    f = lambda z: ravel_pytree(
      methods.weights(rp.apply(methods.PARAMS, unravel(z), frozen))
    )[0]
    return jax.jvp(f, (start,), (v,))[1]

  z = ravel_pytree(moved(name))[0]
  theta = methods.weights(
    jax.jit(rp.apply)(methods.PARAMS, moved(name), frozen)
  )
  theta = np.asarray(ravel_pytree(theta)[0], np.float64)
  columns = jax.jit(jax.vmap(delta, (0, None)))(jnp.eye(start.size), frozen)
  p = np.asarray(columns, np.float64).T  # [D, d]
  gradient = p.T @ (np.cos(theta) + theta**2 / 2)
  curvature = p.T @ ((theta - np.sin(theta)) * (p @ np.asarray(v)))
  got, methods.product, reverse = derivatives(z, v, frozen)
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
  close(got, gradient)
  close(methods.product, curvature)
  close(reverse, curvature)


@every_reparam
def test_vmap_over_coordinates_is_a_loop(name):
  rp, z, frozen = initial(name)
  apply = jax.jit(rp.apply)
  zs = [z, moved(name)]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *zs)
  batch = jax.jit(jax.vmap(rp.apply, (None, 0, None)))(
    methods.PARAMS, stack, frozen
  )
  for i, z in enumerate(zs):
    chex.assert_trees_all_close(
      jax.tree.map(lambda x, i=i: x[i], batch),
      apply(methods.PARAMS, z, frozen),
      atol=1e-6,
      rtol=1e-6,
    )


@every_reparam
def test_vmap_over_keys_is_a_loop(name):
  rp, _, _ = initial(name)

  def draw_and_move(init, apply, key):
    _, frozen = init(key, methods.PARAMS)
    return apply(methods.PARAMS, moved(name), frozen)

  keys = jax.random.split(methods.KEY, 2)
  each = functools.partial(draw_and_move, rp.init, rp.apply)
  batch = jax.jit(jax.vmap(each))(keys)
  for i, key in enumerate(keys):
    one = draw_and_move(jax.jit(rp.init), jax.jit(rp.apply), key)
    chex.assert_trees_all_close(
      jax.tree.map(lambda x, i=i: x[i], batch), one, atol=1e-6, rtol=1e-6
    )
  if methods.REPARAMS[name].dependent != 'nothing is drawn':
    kernel = batch['Dense_0']['kernel']
    assert not np.allclose(kernel[0], kernel[1])


@every_reparam
def test_bfloat16_parameters_are_the_float32_result_cast_once(name):
  rp = initial(name)[0]
  narrow = methods.make_params(jnp.bfloat16)
  wide = jax.tree.map(
    lambda x: x.astype(jnp.float32) if trees.is_floating(x) else x, narrow
  )
  start, drawn = jax.eval_shape(rp.init, methods.KEY, narrow)
  _, _, frozen = initial(name)
  chex.assert_trees_all_equal_shapes_and_dtypes(drawn, frozen)
  z = jax.tree.map(lambda x, v: v.astype(x.dtype), start, moved(name))
  got = jax.jit(rp.apply)(narrow, z, frozen)
  chex.assert_trees_all_equal_dtypes(got, narrow)
  z = jax.tree.map(lambda x: x.astype(jnp.float32), z)
  expected = jax.jit(rp.apply)(wide, z, frozen)
  expected = jax.tree.map(lambda x, n: x.astype(n.dtype), expected, narrow)
  chex.assert_trees_all_equal(got, expected)


@pytest.mark.optimized
@pytest.mark.parametrize(
  ('name', 'axis'),
  [(n, 0) for n in methods.REPARAMS] + [(n, -1) for n in SHARDED_BY_COLUMN],
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

  params = jax.tree.map(place, methods.PARAMS)
  whole = jax.NamedSharding(mesh, jax.P())
  shapes = {x.shape for x in methods.weights(methods.PARAMS).values()}
  z = jax.tree.map(  # Those of `full` lie where their parameters do.
    lambda x: place(x) if x.shape in shapes else jax.device_put(x, whole),
    moved(name),
  )
  step = forward_and_backward(name)
  theta, gradient = step(params, z, jax.device_put(frozen, whole))
  expected = step(methods.PARAMS, moved(name), frozen)
  chex.assert_trees_all_close(theta, expected[0], atol=1e-6, rtol=1e-6)
  chex.assert_trees_all_close(gradient, expected[1], atol=1e-4, rtol=1e-5)
  for leaf, x in methods.weights(params).items():
    if not x.sharding.is_fully_replicated:
      got = theta[leaf].sharding
      assert got.is_equivalent_to(x.sharding, x.ndim), (leaf, got)


@pytest.mark.optimized
@independent_reparam
def test_a_draw_does_not_depend_on_other_leaves(name):
  rp, _, frozen = initial(name)
  more = methods.PARAMS | {'A': jnp.ones(5)}  # Before all others.
  leaves = list(methods.weights(methods.PARAMS))
  own = lambda frozen: {
    n: x
    for n, x in trees.named(frozen).items()
    if any(n.endswith(f'/{leaf}') for leaf in leaves)
  }
  draws = own(frozen)
  assert draws, 'The row draws nothing by leaf: say so in `dependent`.'
  other = own(jax.jit(rp.init)(methods.KEY, more)[1])
  chex.assert_trees_all_equal(draws, other)


@pytest.mark.optimized
@every_reparam
def test_saved_coordinates_come_back_with_their_basis(name, tmp_path):
  rp, _, frozen = initial(name)
  path = tmp_path / 'z.npz'
  reparam.save(path, rp, methods.KEY, methods.PARAMS, moved(name))
  z, drawn = reparam.load(path, rp, methods.PARAMS)
  chex.assert_trees_all_equal(z, moved(name))
  chex.assert_trees_all_equal(drawn, frozen)


@every_reparam
def test_a_basis_of_another_key_is_refused(name, tmp_path):
  if methods.REPARAMS[name].dependent == 'nothing is drawn':
    pytest.skip('nothing is drawn')
  rp, _, _ = initial(name)
  path = tmp_path / 'z.npz'
  reparam.save(path, rp, methods.KEY, methods.PARAMS, moved(name))
  with np.load(path) as file:
    saved = dict(file)
  np.savez(path, **saved | {'key': saved['key'] + 1})
  with pytest.raises(ValueError, match='not the one that was saved'):
    reparam.load(path, rp, methods.PARAMS)


@every_reparam
def test_coordinates_of_another_shape_are_refused(name):
  rp, z, frozen = initial(name)
  wrong = jax.tree.map(lambda x: jnp.zeros((*x.shape, 2)), z)
  with pytest.raises(ValueError, match=r'should be|should have'):
    jax.eval_shape(rp.apply, methods.PARAMS, wrong, frozen)
  with pytest.raises(ValueError, match=r'should be|different leaves'):
    reparam.merge(rp, methods.PARAMS, wrong, frozen)


@pytest.mark.parametrize('tree', [{}, {'step': jnp.array(3)}])
@every_reparam
def test_a_tree_without_weights_is_refused(name, tree):
  with pytest.raises(ValueError, match='no floating-point parameters'):
    methods.REPARAMS[name].make().init(methods.KEY, tree)


@pytest.mark.parametrize('dim', [0, -1, 2.5, True])
@reparam_with_dim
def test_a_dimension_is_a_positive_integer(name, dim):
  with pytest.raises(ValueError, match='must be a positive integer, got'):
    getattr(reparam, name)(dim=dim)


@reparam_with_dim
def test_a_subspace_is_no_larger_than_the_space(name):
  rp = getattr(reparam, name)(dim=methods.D + 1)
  with pytest.raises(
    ValueError, match=f'{methods.D + 1}, more than the {methods.D} param'
  ):
    rp.init(methods.KEY, methods.PARAMS)
