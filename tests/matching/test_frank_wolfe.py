"""The relaxation is what loops say, and climbing it finds what is planted."""

import functools
import itertools

import jax
import numpy as np
import pytest

from paramspace import matching
from paramspace import symmetry
from paramspace.matching import _climb
from paramspace.matching import _nested
from paramspace.matching import _relaxed

F, P, C = symmetry.Factor, symmetry.Product, symmetry.Concat
KEY = jax.random.key(0)


def mlp_spec(sizes):
  inner = [F(f'h{i}', n) for i, n in enumerate(sizes[1:-1])]
  axes = [F(None, sizes[0]), *inner, F(None, sizes[-1])]
  leaves = {}
  for i, pair in enumerate(itertools.pairwise(axes)):
    leaves |= {f'{i}/kernel': pair, f'{i}/bias': pair[1:]}
  return symmetry.Spec({f.name: symmetry.Group(f.size) for f in inner}, leaves)


def heads_spec():
  """Heads with units of their own, a skip by concatenation, a stack of both."""
  groups = {
    'heads': symmetry.Group(3),
    'unit': symmetry.Group(4, over=('heads',)),
    'layer': symmetry.Group(2, moves=False),
    'hidden': symmetry.Group(5, over=('layer',)),
    'cells': symmetry.Group(3, over=('layer',)),
    'atom': symmetry.Group(4, over=('cells', 'layer')),
  }
  inner = P((F('heads', 3), F('unit', 4)))
  leaves = {
    'qk': (F(None, 7), C((inner, inner, F(None, 2)))),
    'out': (F('heads', 3), F('unit', 4), F(None, 3)),
    'scan': (F('layer', 2), F(None, 6), F('hidden', 5)),
    'cells': (F('layer', 2), F('cells', 3), F(None, 4)),
    'deep': (P((F('cells', 3), F('atom', 4))), F('layer', 2), F(None, 9)),
    'twice': (F('heads', 3), F('heads', 3)),
    'still': (F(None, 3),),
  }
  return symmetry.Spec(groups, leaves)


def draw(seed, spec):
  """Unit normal entries."""
  rng = np.random.default_rng(seed)
  return {
    name: rng.normal(size=tuple(map(_size, axes))).astype(np.float32)
    for name, axes in spec.leaves.items()
  }


def element(seed, spec):
  rng = np.random.default_rng(seed)
  shapes = symmetry.shapes(spec)
  return {
    name: np.argsort(rng.random(shape), -1).astype(np.int32)
    for name, shape in shapes.items()
  }


def _size(axis):
  if isinstance(axis, F):
    return axis.size
  sizes = [_size(part) for part in axis.parts]
  return int(np.prod(sizes)) if isinstance(axis, P) else sum(sizes)


SPECS = {'mlp': mlp_spec((8, 10, 10, 6)), 'heads': heads_spec()}
ACTS = {
  name: functools.partial(symmetry.act, spec) for name, spec in SPECS.items()
}


def planted(name, noise=0.2):
  """Returns a, b and the element that moves b back to a, but for noise."""
  spec = SPECS[name]
  a, other, g = draw(1, spec), draw(2, spec), element(3, spec)
  b = {n: x + np.float32(noise) * other[n] for n, x in a.items()}
  return a, ACTS[name](g, b), symmetry.inverse(spec, g)


def same(g, h):
  return all(bool((g[name] == h[name]).all()) for name in h)


@pytest.mark.parametrize('name', SPECS)
def test_matrices_of_permutations_act_as_the_permutations_do(name):
  spec = SPECS[name]
  params, g = draw(0, spec), element(1, spec)
  move = _relaxed.moves(spec, params)
  got = _relaxed.moved(
    move, _nested.hard(spec, g), _relaxed.parts(spec, params)
  )
  want = _relaxed.parts(spec, ACTS[name](g, params))
  for x, y in zip(got, want, strict=True):
    assert (x == y).all()


@pytest.mark.parametrize('name', SPECS)
def test_a_planted_element_is_found(name):
  spec = SPECS[name]
  a, b, back = planted(name)
  found = matching.frank_wolfe(KEY, spec, a, b, starts=3)
  assert same(found.element, back)
  moved = ACTS[name](found.element, b)
  inner = sum(float(np.vdot(a[n], x)) for n, x in moved.items())
  assert found.objective[-1] == pytest.approx(inner, rel=1e-5)


def test_no_step_goes_down():
  spec = SPECS['mlp']
  a, b = draw(1, spec), draw(2, spec)
  found = matching.frank_wolfe(KEY, spec, a, b)
  steps = np.diff(found.objective[:-1])
  assert (steps >= -1e-5 * abs(found.objective[0])).all() and len(steps) > 1


def test_one_group_is_solved_exactly():
  spec = mlp_spec((3, 5, 2))
  a, b = draw(1, spec), draw(2, spec)
  found = matching.frank_wolfe(KEY, spec, a, b)
  act = symmetry.act
  value = lambda g: sum(
    float(np.vdot(a[n], x)) for n, x in act(spec, g, b).items()
  )
  every = itertools.permutations(range(5))
  best = max(value({'h0': np.array(g, np.int32)}) for g in every)
  assert value(found.element) == pytest.approx(best, rel=1e-5)


def test_more_starts_are_never_worse():
  spec = SPECS['mlp']
  a, b = draw(1, spec), draw(2, spec)
  ends = [
    matching.frank_wolfe(KEY, spec, a, b, starts=n).objective[-1]
    for n in (1, 2, 6)
  ]
  assert ends == sorted(ends)


@pytest.mark.parametrize('degree', [1, 2, 5])
def test_the_best_point_of_a_segment_is_exact(degree):
  line = np.polynomial.Polynomial(
    np.random.default_rng(degree).normal(size=degree + 1)
  )
  ts = _climb._nodes(degree)
  t, gain = _climb._best(ts, line(ts.astype(np.float64)))
  grid = np.linspace(0, 1, 10001)
  assert line(t) == pytest.approx(line(grid).max(), abs=1e-6)
  assert gain == pytest.approx(line(t) - line(0.0), abs=1e-9)


def test_an_excluded_leaf_does_not_count():
  spec = SPECS['mlp']
  a, b, back = planted('mlp')
  b = b | {'1/kernel': 100 * draw(9, spec)['1/kernel']}
  with_it = matching.frank_wolfe(KEY, spec, a, b)
  without = matching.frank_wolfe(KEY, spec, a, b, exclude='1/kernel')
  assert same(without.element, back) and not same(with_it.element, back)


def test_what_does_not_fit_is_named():
  spec = SPECS['mlp']
  a = draw(0, spec)
  with pytest.raises(ValueError, match="b: leaf '1/bias' has a value that is"):
    matching.frank_wolfe(
      KEY, spec, a, a | {'1/bias': a['1/bias'] + np.float32(np.nan)}
    )
  with pytest.raises(ValueError, match=r"'0/kernel' has the shape \[10, 8\]"):
    matching.frank_wolfe(KEY, spec, a, a | {'0/kernel': a['0/kernel'].T})
  with pytest.raises(ValueError, match='`starts` must be an int'):
    matching.frank_wolfe(KEY, spec, a, a, starts=0)
