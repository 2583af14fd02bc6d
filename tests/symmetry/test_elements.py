"""Elements of the groups act as groups do, and as index arithmetic says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import symmetry
from paramspace.symmetry import _spec

F, P, C = symmetry.Factor, symmetry.Product, symmetry.Concat


def heads_spec():
  """An attention layer with fused qkv, and a stack of three hidden layers.

  In the stack there are cells in each layer, units in a cell, atoms in a unit.
  """
  group = symmetry.Group
  groups = {
    'heads': group(4),
    'qk': group(3, over=('heads',)),
    'v': group(3, over=('heads',)),
    'layer': group(3, moves=False),
    'hidden': group(5, over=('layer',)),
    'cells': group(4, over=('layer',)),
    'unit': group(2, over=('cells', 'layer')),
    'atom': group(3, over=('layer', 'cells', 'unit')),
  }
  h = F('heads', 4)
  qk, v = P((h, F('qk', 3))), P((h, F('v', 3)))
  leaves = {
    'fused': (F(None, 2), C((qk, qk, v))),
    'out': (h, F('v', 3), F(None, 2)),
    'scan': (F('layer', 3), F(None, 2), F('hidden', 5)),
    'nested': (P((F(None, 2), C((F(None, 1), h)))),),
    'deep': (F('layer', 3), P((F('cells', 4), F('unit', 2))), F('atom', 3)),
  }
  return _spec.checked(symmetry.Spec(groups, leaves))


def tree_for(spec, seed=0):
  keys = jax.random.split(jax.random.key(seed), len(spec.leaves))
  return {
    name: jax.random.normal(k, tuple(map(_size, axes)))
    for k, (name, axes) in zip(keys, spec.leaves.items(), strict=True)
  }


def _size(axis):
  if isinstance(axis, F):
    return axis.size
  sizes = [_size(part) for part in axis.parts]
  return int(np.prod(sizes)) if isinstance(axis, P) else sum(sizes)


def same(a, b):
  return jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), a, b))


@pytest.fixture(scope='module')
def spec():
  return heads_spec()


@pytest.fixture(scope='module')
def params(spec):
  return tree_for(spec)


@pytest.fixture(scope='module')
def pair(spec):
  first, second = jax.random.split(jax.random.key(1))
  return symmetry.random(first, spec), symmetry.random(second, spec)


def test_the_identity_moves_nothing(spec, params):
  still = symmetry.identity(spec)
  assert same(symmetry.act(spec, still, params), params)


def test_act_is_what_loops_over_indices_say(spec, params, pair):
  g = {name: np.asarray(x) for name, x in pair[0].items()}
  got = symmetry.act(spec, pair[0], params)
  fused = np.asarray(params['fused']).reshape(2, 3, 4, 3)
  want = np.zeros_like(fused)
  for part, inner in enumerate(('qk', 'qk', 'v')):
    for h in range(4):
      for j in range(3):
        old = fused[:, part, g['heads'][h], g[inner][h, j]]
        want[:, part, h, j] = old
  assert (np.asarray(got['fused']) == want.reshape(2, 36)).all()
  out = np.asarray(params['out'])
  for h in range(4):
    for j in range(3):
      old = out[g['heads'][h], g['v'][h, j]]
      assert (np.asarray(got['out'])[h, j] == old).all()
  for layer in range(3):
    old = np.asarray(params['scan'])[layer][:, g['hidden'][layer]]
    assert (np.asarray(got['scan'])[layer] == old).all()
  deep = (np.asarray(x['deep']).reshape(3, 4, 2, 3) for x in (params, got))
  old, new = deep
  for a, b, c, d in np.ndindex(new.shape):
    froms = g['cells'][a, b], g['unit'][b, a, c], g['atom'][a, b, c, d]
    assert new[a, b, c, d] == old[(a, *froms)]
  old = np.asarray(params['nested']).reshape(2, 5)
  order = np.concatenate([[0], 1 + g['heads']])
  assert (np.asarray(got['nested']).reshape(2, 5) == old[:, order]).all()


def test_acting_twice_is_acting_with_the_composition(spec, params, pair):
  first, second = pair
  twice = symmetry.act(spec, second, symmetry.act(spec, first, params))
  at_once = symmetry.compose(spec, second, first)
  assert same(symmetry.act(spec, at_once, params), twice)


def test_the_inverse_undoes(spec, params, pair):
  g = pair[0]
  back = symmetry.inverse(spec, g)
  moved = symmetry.act(spec, g, params)
  assert same(symmetry.act(spec, back, moved), params)
  for product in (
    symmetry.compose(spec, back, g),
    symmetry.compose(spec, g, back),
  ):
    assert same(product, symmetry.identity(spec))


def test_composition_is_associative(spec, pair):
  g, h = pair
  k = symmetry.inverse(spec, g)
  left = symmetry.compose(spec, symmetry.compose(spec, g, h), k)
  right = symmetry.compose(spec, g, symmetry.compose(spec, h, k))
  assert same(left, right)


def test_jit_and_vmap_agree_with_eager(spec, params, pair):
  both = jax.tree.map(lambda *x: jnp.stack(x), *pair)
  act = jax.jit(jax.vmap(lambda g: symmetry.act(spec, g, params)))
  for i, g in enumerate(pair):
    moved = jax.tree.map(lambda x, i=i: x[i], act(both))
    assert same(moved, symmetry.act(spec, g, params))


def test_the_parts_of_a_leaf_hold_every_entry_once(spec, params):
  for name, axes in spec.leaves.items():
    parts = symmetry.blocks(axes, params[name])
    for factors, block in parts:
      assert block.shape == tuple(f.size for f in factors)
    entries = np.concatenate([np.ravel(block) for _, block in parts])
    assert (np.sort(entries) == np.sort(np.ravel(params[name]))).all()


def test_a_group_does_not_depend_on_the_others(spec):
  key = jax.random.key(2)
  few = spec._replace(groups={'heads': spec.groups['heads']})
  all_ = symmetry.random(key, spec)
  assert same(symmetry.random(key, few)['heads'], all_['heads'])


def test_a_tree_that_does_not_fit_is_named(spec, params):
  g = symmetry.identity(spec)
  with pytest.raises(ValueError, match=r"'out' has the shape \[4, 3, 3\]"):
    symmetry.act(spec, g, params | {'out': jnp.zeros((4, 3, 3))})
  with pytest.raises(ValueError, match=r"Missing: \['out'\]"):
    symmetry.act(spec, g, {k: x for k, x in params.items() if k != 'out'})


def test_an_element_that_does_not_fit_is_named(spec, params):
  g = symmetry.identity(spec)
  with pytest.raises(ValueError, match="'heads' is no permutation"):
    symmetry.act(spec, {**g, 'heads': jnp.zeros(4, jnp.int32)}, params)
  with pytest.raises(ValueError, match=r"'v' should be int32\[4, 3\]"):
    symmetry.act(spec, {**g, 'v': jnp.arange(3)}, params)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'leaf': (F('head', 4),)}, "near misses: \\['heads'"),
    ({'leaf': (F('heads', 3),)}, 'with 3 entries'),
    ({'leaf': (F('qk', 3),)}, "depends on 'heads', which leaf 'leaf' has 0"),
  ],
)
def test_a_specification_that_contradicts_itself_is_refused(change, message):
  spec = heads_spec()
  with pytest.raises(ValueError, match=message):
    _spec.checked(spec._replace(leaves={**spec.leaves, **change}))
