import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from paramspace import reparam
from paramspace.reparam import _tiles

LONG = {'a': (2048,), 'b': (7,)}  # For d <= 64, `a` has a tape of its own.
MATRIX = {'a': (64, 64), 'b': (33,), 'c': (5, 5, 3), 'd': ()}
TWO = {'a': (8, 8, 16, 16), 'b': (3,), 'c': (128, 32)}
SHORT = {'a': (7, 11), 'b': (13,)}
ODD = {'a': (521, 523), 'b': (3,)}  # Large, and no matrix of eight rows.
CASES = [
  (LONG, 1),
  (LONG, 64),
  (MATRIX, 30),
  (TWO, 7),
  (SHORT, 1),
  (SHORT, 9),
  (SHORT, 90),
  (ODD, 6),
]


def size(shapes):
  return sum(math.prod(s) for s in shapes.values())


def test_the_cases_have_long_and_short_leaves():
  plans = [_tiles._plan(s, d) for shapes, d in CASES for s in shapes.values()]
  assert {bool(p.blocks) for p in plans} == {True, False}
  assert any(p.left for p in plans)
  assert any(p.blocks and not p.even for p in plans)


@pytest.mark.parametrize(('shapes', 'dim'), CASES)
def test_every_weight_reads_one_coordinate_and_all_are_used_equally(
  shapes, dim
):
  """And the map is that of the index arrays that it does without."""
  params, total = oracles.shaped(**shapes), size(shapes)
  p, tiles = oracles.draw(reparam.hashed(dim), params, dim)
  assert p.shape == (total, dim)
  assert (np.count_nonzero(p, axis=1) == 1).all()
  uses = np.count_nonzero(p, axis=0)
  assert set(uses) <= {total // dim, -(-total // dim)}
  np.testing.assert_array_equal(_tiles.uses(tiles, shapes, dim), uses)
  np.testing.assert_allclose(p.T @ p, np.eye(dim), atol=1e-6)

  leaves = oracles.read(tiles, shapes, dim).values()
  index, signs = (np.concatenate(x) for x in zip(*leaves, strict=True))
  expected = np.zeros((total, dim))
  expected[np.arange(total), index] = signs / np.sqrt(uses[index])
  np.testing.assert_allclose(p, expected, atol=1e-6)


def test_rms_has_unit_rows():
  rp = reparam.hashed(4, scale='rms')
  p = oracles.matrix(rp, oracles.shaped(a=[8, 4]), 4)
  np.testing.assert_allclose(np.abs(p).sum(1), 1, atol=1e-6)


def test_the_weights_of_a_coordinate_have_balanced_signs():
  p = oracles.matrix(reparam.hashed(4), oracles.shaped(**TWO), 4)
  n = np.count_nonzero(p, axis=0)
  assert (np.abs(np.sign(p).sum(0)) < 4 * np.sqrt(n)).all()


def test_neighbours_read_their_coordinates_with_independent_signs():
  """The eight weights of one cell have eight signs, not one."""
  p = oracles.matrix(reparam.hashed(4), oracles.shaped(a=[2048]), 4)
  signs = np.sign(p.sum(1))[:1024].reshape(-1, 8, 128)
  products = signs[:, :, None] * signs[:, None]  # [b, 8, 8, 128]
  mean = products.mean((0, 3))[~np.eye(8, dtype=bool)]
  assert np.abs(mean).max() < 4 / np.sqrt(128)


def equations(jaxpr):
  """Yields the equations of a jaxpr and of those inside it."""
  for equation in jaxpr.eqns:
    yield equation
    for inner in jax.tree.leaves(list(equation.params.values())):
      inner = getattr(inner, 'jaxpr', inner)
      if hasattr(inner, 'eqns'):
        yield from equations(inner)


@pytest.mark.optimized
def test_no_scatter_and_no_gather_of_the_size_of_the_parameters():
  shapes = {'kernel': (256, 256), 'bias': (100,)}
  params, dim = oracles.shaped(**shapes), 50
  rp = reparam.hashed(dim)
  z, frozen = jax.eval_shape(rp.init, jax.random.key(0), params)

  def loss(z, params, frozen):
    theta = rp.apply(params, z, frozen)
    return sum(jnp.sum(jnp.sin(x)) for x in theta.values())

  step = jax.jit(jax.value_and_grad(loss))
  found = list(equations(jax.make_jaxpr(step)(z, params, frozen).jaxpr))
  gathers = [e.outvars[0].aval for e in found if e.primitive.name == 'gather']
  assert gathers  # The walk reaches them: the tape is read by a gather.
  assert not any('scatter' in e.primitive.name for e in found)
  plans = {n: _tiles._plan(s, dim) for n, s in shapes.items()}
  short = sum(p.rest for p in plans.values())
  most = max(256 * 256 // 8, short) + dim  # A tape ends with its last roll.
  assert max(x.size for x in gathers) <= most < 256 * 256 // 4

  text = step.lower(z, params, frozen).compile().as_text()
  assert ' scatter(' not in text and 'gather' in text
  lines = [x for x in text.splitlines() if ' gather(' in x]
  for line in lines:
    out = line.split(' = ')[1].split('[')[1].split(']')[0]
    assert math.prod(int(n) for n in out.split(',') if n) <= most, line


@pytest.mark.parametrize('method', [reparam.hashed, reparam.hadamard])
def test_frozen_bytes_are_at_most_one_a_parameter(method):
  sizes = [784, 200, 200, 10]
  shapes = {}
  for i, (n, m) in enumerate(itertools.pairwise(sizes)):
    shapes |= {f'{i}/kernel': (n, m), f'{i}/bias': (m,)}
  params = {n: jax.ShapeDtypeStruct(s, jnp.float32) for n, s in shapes.items()}
  for dim in (10, 750, 10_000):
    _, frozen = jax.eval_shape(method(dim).init, jax.random.key(0), params)
    frozen = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(frozen))
    assert frozen <= 199_210, (dim, frozen)
