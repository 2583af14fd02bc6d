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
from paramspace import deltas
from paramspace import merging
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


class Delta(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the prune with small arguments.
    full: Returns it with those that keep all.
    kept: How many of `n` values of a leaf it keeps, where that is a number.
    own: Whether a leaf is pruned without a look at others.
    diagonal: Whether every entry is multiplied by a number.
  """

  make: Callable[[], deltas.Prune]
  full: Callable[[], deltas.Prune]
  kept: Callable[[int], int] | None = None
  own: bool = True
  diagonal: bool = True


DELTA = {n: PARAMS[n] for n in ('Dense_1', 'scale', 'step', 'trained')}
QS = {'Dense_1/kernel': jnp.linspace(0.2, 0.9, 3)[None], 'scale': 0.5}
FACTORS = {n: jnp.sin(9 * x) for n, x in trees.floating(DELTA).items()}


DELTAS = {
  'trim': Delta(
    lambda: deltas.trim(0.3), lambda: deltas.trim(1.0), lambda n: 3 * n // 10
  ),
  'trim, row': Delta(
    lambda: deltas.trim(0.3, 'row', axis=-2),
    lambda: deltas.trim(1.0, 'row'),
  ),
  'trim, global': Delta(
    lambda: deltas.trim(0.3, 'global'),
    lambda: deltas.trim(1.0, 'global'),
    own=False,
  ),
  'importance': Delta(
    lambda: deltas.importance(FACTORS, 0.3),
    lambda: deltas.importance(FACTORS, 1.0),
    lambda n: 3 * n // 10,
  ),
  'drop': Delta(lambda: deltas.drop(0.7), lambda: deltas.drop(0.0)),
  'drop_tuned': Delta(
    lambda: deltas.drop_tuned(0.7, QS),
    lambda: deltas.drop_tuned(0.0, 1.0),
  ),
  'drop, l1': Delta(
    lambda: deltas.drop(0.7, 'l1'), lambda: deltas.drop(0.0, 'l1')
  ),
  'magprune': Delta(
    lambda: deltas.magprune(0.5, 0.4),
    lambda: deltas.magprune(1.0, 0.4),
  ),
  'breadcrumbs': Delta(
    lambda: deltas.breadcrumbs(0.3, 0.1, 'leaf'),
    lambda: deltas.breadcrumbs(1.0, 0.0),
    lambda n: 3 * n // 10,
  ),
  'clip': Delta(
    lambda: deltas.clip(0.5), lambda: deltas.clip(1.0), diagonal=False
  ),
  'low_rank': Delta(
    lambda: deltas.low_rank(2), lambda: deltas.low_rank(16), diagonal=False
  ),
  'mask': Delta(
    lambda: deltas.mask(jax.tree.map(lambda x: x > 0, FACTORS)),
    lambda: deltas.mask(jax.tree.map(lambda x: x == x, FACTORS)),
  ),
  'scale': Delta(lambda: deltas.scale(0.5), lambda: deltas.scale(1.0)),
  'keep': Delta(deltas.keep, deltas.keep, lambda n: n),
  'chain': Delta(
    lambda: deltas.chain(deltas.drop(0.5), deltas.trim(0.1, 'global')),
    lambda: deltas.chain(deltas.trim(1.0), deltas.drop(0.0)),
    own=False,
  ),
  'where': Delta(
    lambda: deltas.where('.*/kernel', deltas.trim(0.3), deltas.scale(2.0)),
    lambda: deltas.where('.*/kernel', deltas.trim(1.0)),
  ),
}


class Merge(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the recipe with small arguments.
    full: Returns the one that gives a single model back; None where none does.
    error: How far from it, where the arithmetic is not exact.
    known: Returns what the recipe must know of a model.
    models: How many it takes in the tests.
    weighted: Whether models have weights.
    own: Whether a leaf is merged without a look at others.
  """

  make: Callable[[], base.Recipe]
  full: Callable[[], base.Recipe] | None
  error: float = 0.0
  known: Callable[[base.Params], base.Params] | None = None
  models: int = 3
  weighted: bool = True
  own: bool = True


def make_model(seed, dtype=jnp.float32):
  """All values are numbers of bfloat16, so their differences are exact."""
  shapes = {'Dense_0/kernel': (8, 4), 'scale': ()}
  draws = {
    n: jax.random.normal(jax.random.key(9 * seed + i), s, jnp.bfloat16)
    for i, (n, s) in enumerate(shapes.items())
  }
  return {n: x.astype(dtype) for n, x in draws.items()} | {
    'step': jnp.array([3, 4])
  }


def squares(model):
  return {n: x * x for n, x in weights(model).items()}


def gram(model):
  rows = (jnp.arange(80) % 7).reshape(10, 8).astype(model['scale'].dtype)
  rows = rows + model['scale']
  return merging.grams({'Dense_0/kernel': rows})


MERGES = {
  'breadcrumbs': Merge(
    lambda: merging.breadcrumbs(0.5, 0.2),
    lambda: merging.breadcrumbs(1.0, 0.0, 1.0),
  ),
  'breadcrumbs_ties': Merge(
    lambda: merging.breadcrumbs_ties(0.5, 0.2),
    lambda: merging.breadcrumbs_ties(1.0, 0.0),
  ),
  'dare_linear': Merge(
    lambda: merging.dare_linear(0.5), lambda: merging.dare_linear(0.0)
  ),
  'dare_ties': Merge(
    lambda: merging.dare_ties(0.5),
    lambda: merging.dare_ties(0.0),
    own=False,
  ),
  'della': Merge(
    lambda: merging.della(0.5, 0.4), lambda: merging.della(1.0, scale=1.0)
  ),
  'della_linear': Merge(
    lambda: merging.della_linear(0.5, 0.4), lambda: merging.della_linear(1.0)
  ),
  'fisher': Merge(merging.fisher, merging.fisher, 1e-6, squares, own=False),
  'iso_c': Merge(merging.iso_c, None),
  'iso_cts': Merge(lambda: merging.iso_cts(0.3), None),
  'karcher': Merge(lambda: merging.karcher(2), merging.karcher, 2e-6),
  'linear': Merge(merging.linear, merging.linear),
  'model_stock': Merge(merging.model_stock, None, weighted=False),
  'multislerp': Merge(merging.multislerp, merging.multislerp, 1e-6),
  'nuslerp': Merge(merging.nuslerp, None, models=2),
  'nuslerp, row': Merge(lambda: merging.nuslerp(per='row'), None, models=2),
  'pcb': Merge(lambda: merging.pcb(0.4), None, own=False),
  'regmean': Merge(merging.regmean, merging.regmean, 1e-6, gram),
  'sce': Merge(lambda: merging.sce(0.6), merging.sce, 2e-7, weighted=False),
  'slerp': Merge(
    lambda: merging.slerp(0.3),
    lambda: merging.slerp(1.0),
    1e-6,
    models=1,
    weighted=False,
  ),
  'task_arithmetic': Merge(merging.task_arithmetic, merging.task_arithmetic),
  'ties': Merge(
    lambda: merging.ties(0.5), lambda: merging.ties(1.0), own=False
  ),
  'ties, leaf': Merge(
    lambda: merging.ties(0.5, scope='leaf'),
    lambda: merging.ties(1.0, scope='leaf'),
  ),
  'ties, mergekit': Merge(
    lambda: merging.ties(0.5, compat='mergekit'),
    lambda: merging.ties(1.0, compat='mergekit'),
  ),
  'tsv': Merge(merging.tsv, merging.tsv, 5e-6),
  'widen': Merge(merging.widen, merging.widen),
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
  'deltas': (
    DELTAS,
    (
      'add',
      'adam_toward_base',
      'analytic_q',
      'learn_mask',
      'lost',
      'overlap',
      'random_mask',
      'subtract',
      'threshold',
      'top_movement_mask',
      'tune_q_by_change',
      'tune_q_by_score',
    ),
  ),
  'matching': (
    {},
    (
      'activation_matching',
      'activation_statistics',
      'add_statistics',
      'alignment',
      'auction',
      'between',
      'fold_norms',
      'frank_wolfe',
      'lapx',
      'match_many',
      'orthogonal',
      'repair',
      'rotate',
      'scipy',
      'straight_through',
      'weight_matching',
    ),
  ),
  'merging': (
    MERGES,
    (
      'adamerging',
      'axes',
      'dumps',
      'fisher_diagonal',
      'grams',
      'layer_inputs',
      'loads',
      'merge',
      'merge_files',
      'opcm',
      'plan_files',
    ),
  ),
  'probes': (
    {},
    (
      'barrier',
      'bezier',
      'curve',
      'curve_trainer',
      'fresh_batch_stats',
      'line',
      'plane',
      'point',
      'polygon',
      'simplex',
      'train_curve',
    ),
  ),
  'reparam': (
    REPARAMS,
    ('count', 'fingerprint', 'load', 'merge', 'rebase', 'save'),
  ),
  'symmetry': (
    {},
    (
      'act',
      'act_on_leaf',
      'blocks',
      'check',
      'complete',
      'compose',
      'derive',
      'describe',
      'dumps',
      'factors',
      'fit',
      'from_rules',
      'identity',
      'inverse',
      'loads',
      'random',
      'shapes',
      'verify',
    ),
  ),
}
NO_METHODS = ('cli', 'files', 'launch')  # Packages without methods.

# Sharded along the last axis too; the others are made of these or flatten.
SHARDED_BY_COLUMN = ('dense', 'hadamard', 'hashed')

every_averager = pytest.mark.parametrize('name', AVERAGERS)
every_delta = pytest.mark.parametrize('name', DELTAS)
every_merge = pytest.mark.parametrize('name', MERGES)
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


def compiled(f):
  """Compiles in half the time, to what runs slower."""
  return jax.jit(f, compiler_options={'xla_backend_optimization_level': 0})


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
  rows = {name.partition(',')[0] for name in table}  # 'name, variant'.
  missing, gone = methods - rows, rows - methods
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


# The laws of prunes.


@functools.cache
def pruned(name):
  """Returns a prune, and what it makes of DELTA."""
  prune = compiled(DELTAS[name].make())
  return prune, prune(KEY, DELTA)


def support(tree):
  return {n: np.asarray(x) != 0 for n, x in weights(tree).items()}


@every_delta
def test_at_full_density_the_delta_is_what_it_was_to_the_bit(name):
  same = compiled(DELTAS[name].full())(KEY, DELTA)
  chex.assert_trees_all_equal(same, DELTA)
  chex.assert_trees_all_equal_dtypes(same, DELTA)


@every_delta
def test_a_prune_carries_leaves_without_a_delta(name):
  _, out = pruned(name)
  for leaf in ('step', 'trained'):
    chex.assert_trees_all_equal(out[leaf], DELTA[leaf])
    assert out[leaf].dtype == DELTA[leaf].dtype


@pytest.mark.parametrize(
  'name', [n for n, row in DELTAS.items() if row.kept is not None]
)
def test_the_number_of_entries_that_are_kept_is_exact(name):
  _, out = pruned(name)
  counts = {n: x.sum() for n, x in support(out).items()}
  sizes = {n: x.size for n, x in weights(DELTA).items()}
  assert counts == {n: DELTAS[name].kept(size) for n, size in sizes.items()}


@every_delta
def test_a_prune_run_eagerly_keeps_the_same_entries(name):
  prune = DELTAS[name].make()
  small = {'Dense_1': DELTA['Dense_1']}
  eager, out = prune(KEY, small), compiled(prune)(KEY, small)
  chex.assert_trees_all_equal(support(eager), support(out))
  chex.assert_trees_all_close(weights(eager), weights(out), atol=2e-6)


@every_delta
def test_a_prune_of_sharded_leaves_keeps_the_same_entries(name):
  prune, out = pruned(name)
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)
  place = lambda x: jax.device_put(
    x,
    jax.NamedSharding(
      mesh, jax.P('devices') if x.ndim and x.shape[0] % 8 == 0 else jax.P()
    ),
  )
  spread = prune(KEY, jax.tree.map(place, DELTA))
  chex.assert_trees_all_equal(support(spread), support(out))
  chex.assert_trees_all_close(weights(spread), weights(out), atol=2e-6)


@pytest.mark.parametrize('name', [n for n, row in DELTAS.items() if row.own])
def test_a_pruned_leaf_does_not_depend_on_other_leaves(name):
  _, out = pruned(name)
  got = compiled(DELTAS[name].make())(KEY, {'Dense_1': DELTA['Dense_1']})
  chex.assert_trees_all_equal(got['Dense_1'], out['Dense_1'])


@every_delta
def test_a_vmapped_prune_is_a_loop(name):
  prune, _ = pruned(name)
  keys = jax.random.split(KEY, 2)
  both = [DELTA, jax.tree.map(lambda x: x[::-1] if x.ndim else x, DELTA)]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *both)
  batch = compiled(jax.vmap(DELTAS[name].make()))(keys, stack)
  for i, (key, delta) in enumerate(zip(keys, both, strict=True)):
    one = jax.tree.map(lambda x, i=i: x[i], batch)
    out = prune(key, delta)
    chex.assert_trees_all_equal(support(one), support(out))
    chex.assert_trees_all_close(weights(one), weights(out), atol=2e-6)


@every_delta
def test_a_bfloat16_delta_is_pruned_as_float32_and_cast_once(name):
  prune, _ = pruned(name)
  bf16 = lambda x: x.astype(jnp.bfloat16) if trees.is_floating(x) else x
  narrow = jax.tree.map(bf16, DELTA)
  wide = jax.tree.map(
    lambda x: x.astype(jnp.float32) if trees.is_floating(x) else x, narrow
  )
  if name == 'chain':
    pytest.skip('every link casts')
  got = prune(KEY, narrow)
  chex.assert_trees_all_equal(got, trees.cast(prune(KEY, wide), narrow))
  chex.assert_trees_all_equal_dtypes(got, narrow)


@every_delta
def test_the_gradient_of_a_prune_is_its_mask_times_its_scale(name):
  prune, (_, out) = DELTAS[name].make(), pruned(name)
  total = lambda x: sum(
    x.sum() for x in weights(prune(KEY, DELTA | {'Dense_1': x})).values()
  )
  slope = compiled(jax.grad(total))(DELTA['Dense_1'])
  for leaf, x in slope.items():
    assert np.isfinite(x).all()
    if DELTAS[name].diagonal:
      product = x * DELTA['Dense_1'][leaf]
      np.testing.assert_allclose(product, out['Dense_1'][leaf], rtol=1e-6)


@pytest.mark.parametrize('factor', [-4.0, 0.5])
@every_delta
def test_a_prune_of_a_multiple_is_the_multiple_of_the_prune(name, factor):
  prune, out = pruned(name)
  times = lambda tree: jax.tree.map(
    lambda x: factor * x if trees.is_floating(x) else x, tree
  )
  chex.assert_trees_all_equal(prune(KEY, times(DELTA)), times(out))


@every_delta
def test_a_delta_of_zeros_stays_one(name):
  prune, _ = pruned(name)
  zeros = jax.tree.map(jnp.zeros_like, DELTA)
  chex.assert_trees_all_equal(prune(KEY, zeros), zeros)


@pytest.mark.parametrize('wrong', [np.nan, np.inf])
@every_delta
def test_a_delta_that_is_not_finite_is_refused(name, wrong):
  broken = DELTA | {'scale': jnp.array(wrong)}
  with pytest.raises(ValueError, match="'scale' of the delta has 1 values"):
    DELTAS[name].make()(KEY, broken)


@every_delta
def test_a_delta_without_weights_is_refused(name):
  with pytest.raises(ValueError, match='no floating-point parameters'):
    DELTAS[name].make()(KEY, {'step': jnp.array(3)})


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32', 'float64'])
@every_delta
def test_a_prune_is_traced_where_numbers_have_64_bits(name, dtype):
  with jax.enable_x64(True):
    change = lambda x: x.astype(dtype) if trees.is_floating(x) else x
    delta = jax.tree.map(change, DELTA)
    out = jax.eval_shape(DELTAS[name].make(), KEY, delta)
    chex.assert_trees_all_equal_shapes_and_dtypes(out, delta)


# The laws of merges.


def tuned_for(name, dtype=jnp.float32):
  return {
    f'm{i}': make_model(i, dtype) for i in range(1, MERGES[name].models + 1)
  }


def merged(name, recipe, origin, tuned, by_model=None):
  """Merges, with the statistics and the key that the row needs."""
  known = MERGES[name].known
  wide = lambda tree: {n: trees.widen(x) for n, x in weights(tree).items()}
  return merging.merge(
    origin,
    tuned,
    recipe,
    weights=by_model,
    statistics=known and {m: known(wide(tree)) for m, tree in tuned.items()},
    key=KEY,
  )


@functools.cache
def merged_at_once(name):
  """Returns a compiled merge, and what it makes of the models of the row."""
  recipe = MERGES[name].make()
  run = compiled(functools.partial(merged, name, recipe))
  return run, run(make_model(0), tuned_for(name))


@pytest.mark.parametrize(
  'name', [n for n, row in MERGES.items() if row.full is not None]
)
def test_one_model_at_full_density_is_returned(name):
  row, model = MERGES[name], make_model(1)
  run = compiled(functools.partial(merged, name, row.full()))
  got = run(make_model(0), {'a': model})
  if not row.error:
    chex.assert_trees_all_equal(got, model)
  chex.assert_trees_all_close(got, model, rtol=0, atol=row.error)
  chex.assert_trees_all_equal_dtypes(got, model)


@every_merge
def test_models_of_bfloat16_are_merged_in_float32_and_cast_once(name):
  """With a leaf more, where leaves are merged on their own."""
  run, out = merged_at_once(name)
  more = lambda tree: (
    {'A': tree['scale'] * jnp.arange(8, dtype=jnp.bfloat16)} | tree
    if MERGES[name].own
    else tree
  )
  narrow = make_model(0, jnp.bfloat16)
  tuned = tuned_for(name, jnp.bfloat16)
  got = run(more(narrow), {m: more(tree) for m, tree in tuned.items()})
  got.pop('A', None)
  chex.assert_trees_all_equal(got, trees.cast(out, narrow))
  chex.assert_trees_all_equal_dtypes(got, narrow)


@every_merge
def test_a_sharded_merge_is_the_same_and_its_gradient_is_right(name):
  row, tuned = MERGES[name], tuned_for(name)
  _, out = merged_at_once(name)
  recipe = row.make()
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)
  place = lambda x: jax.device_put(
    x,
    jax.NamedSharding(
      mesh, jax.P('devices') if x.ndim and x.shape[0] % 8 == 0 else jax.P()
    ),
  )

  def total(coefficients, origin, tuned):
    scale, by_model = coefficients
    scaled = recipe._replace(scale=recipe.scale * scale)
    theta = merged(name, scaled, origin, tuned, by_model)
    return sum(jnp.sum(jnp.sin(x)) for x in weights(theta).values()), theta

  run = compiled(jax.value_and_grad(total, has_aux=True))
  origin, spread = jax.tree.map(place, (make_model(0), tuned))
  # In NumPy: arrays that lie elsewhere would be another program.
  plain = functools.partial(jax.tree.map, np.float32)
  start = plain((1.0, dict.fromkeys(tuned, 1.0) if row.weighted else None))
  (_, theta), slope = run(start, origin, spread)
  chex.assert_trees_all_close(theta, out, atol=5e-6)
  toward = plain(jax.tree.map(lambda x: -1e-2 if x < 0 else 1e-2, slope))
  move = lambda sign: jax.tree.map(lambda x, v: x + sign * v, start, toward)
  ends = [run(move(sign), origin, spread)[0][0] for sign in (1, -1)]
  expected = sum(abs(x) for x in jax.tree.leaves(slope)) * 2e-2
  np.testing.assert_allclose(ends[0] - ends[1], expected, rtol=2e-2, atol=1e-4)
  _, slope = run(start, origin, dict.fromkeys(tuned, origin))
  assert all(np.isfinite(x) for x in jax.tree.leaves(slope)), 'deltas of 0'


@pytest.mark.parametrize(
  'name', [n for n in MERGES if not n.startswith(('dare', 'della'))]
)
def test_models_that_change_names_merge_to_the_same(name):
  """But for those that draw by name."""
  run, out = merged_at_once(name)
  names, models = zip(*tuned_for(name).items(), strict=True)
  turned = dict(zip(names, (*models[1:], models[0]), strict=True))
  got = run(make_model(0), turned)
  chex.assert_trees_all_close(got, out, rtol=1e-5, atol=1e-5)


@every_merge
def test_models_that_did_not_move_merge_to_the_base(name):
  run, _ = merged_at_once(name)
  origin = make_model(0)
  still = run(origin, dict.fromkeys(tuned_for(name), origin))
  chex.assert_trees_all_close(still, origin, rtol=2e-6, atol=0)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32', 'float64'])
@every_merge
def test_a_merge_is_traced_where_numbers_have_64_bits(name, dtype):
  with jax.enable_x64(True):
    run = functools.partial(merged, name, MERGES[name].make())
    base, tuned = make_model(0, dtype), tuned_for(name, dtype)
    out = jax.eval_shape(run, base, tuned)
    chex.assert_trees_all_equal_shapes_and_dtypes(out, base)


@every_merge
def test_a_recipe_is_its_text(name):
  recipe = MERGES[name].make()
  assert merging.loads(merging.dumps(recipe)).config == recipe.config
