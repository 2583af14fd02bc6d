"""Rotations of the residual stream leave the function and are found again."""

import functools

import jax
import numpy as np
import pytest
from scipy import linalg

from paramspace import matching
from paramspace import symmetry

F = symmetry.Factor
D, WIDTH, VOCABULARY = 6, 9, 5

NORMS = [
  matching.Norm(
    f'{layer}/scale', {f'{layer}/up': f'{layer}/up_bias'}, f'{layer}/shift'
  )
  for layer in (0, 1)
] + [matching.Norm('scale', {'head': 'head_bias'}, 'shift')]
SCALES = tuple(
  f'{at}{n}' for at in ('0/', '1/', '') for n in ('scale', 'shift')
)
WRITERS = ('embed', '0/down', '1/down', '0/down_bias', '1/down_bias')

SHAPES = {
  'embed': (VOCABULARY, D),
  'head': (D, VOCABULARY),
  'head_bias': (VOCABULARY,),
  'scale': (D,),
  'shift': (D,),
} | {
  f'{layer}/{name}': shape
  for layer in (0, 1)
  for name, shape in {
    'scale': (D,),
    'shift': (D,),
    'up': (D, WIDTH),
    'up_bias': (WIDTH,),
    'down': (WIDTH, D),
    'down_bias': (D,),
  }.items()
}


def make_spec():
  """The hidden layers, and the stream as a permutation would have it."""
  sizes = {'stream': D, 'hidden0': WIDTH, 'hidden1': WIDTH}
  groups = {name: symmetry.Group(size) for name, size in sizes.items()}

  def axis(name, k):
    if SHAPES[name][k] == D:
      return F('stream', D)
    return F(f'hidden{name[0]}' if name[0] in '01' else None, SHAPES[name][k])

  leaves = {
    name: tuple(axis(name, k) for k in range(len(shape)))
    for name, shape in SHAPES.items()
  }
  return symmetry.Spec(groups, leaves)


SPEC = make_spec()


def tree(seed):
  rng = np.random.default_rng(seed)
  draw = lambda shape: rng.normal(size=shape).astype(np.float32)
  return {name: draw(shape) for name, shape in SHAPES.items()}


def float64(params):
  return {name: np.asarray(x, np.float64) for name, x in params.items()}


def apply(params, centered):
  """An MLP on a residual stream, in float64, of LayerNorm or RMSNorm."""
  p = float64(params)

  def norm(x, scale, shift):
    x = x - x.mean(-1, keepdims=True) if centered else x
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    return x * p[scale] + p[shift]

  x = p['embed']
  for i in (0, 1):
    y = norm(x, f'{i}/scale', f'{i}/shift') @ p[f'{i}/up'] + p[f'{i}/up_bias']
    x = x + np.maximum(y, 0) @ p[f'{i}/down'] + p[f'{i}/down_bias']
  return norm(x, 'scale', 'shift') @ p['head'] + p['head_bias']


fold = jax.jit(lambda p: matching.fold_norms(SPEC, 'stream', p, NORMS))
turn = jax.jit(lambda q, p: matching.rotate(SPEC, {'stream': q}, p, SCALES))
match = functools.partial(
  matching.orthogonal, SPEC, groups=['stream'], still='.*(scale|shift)'
)


def folded(seed):
  return fold(tree(seed))


def rotation(seed):
  draw = np.random.default_rng(seed).normal(size=(D, D)).astype(np.float32)
  return np.linalg.qr(draw)[0]


def close(a, b, atol=3e-5):
  np.testing.assert_allclose(a, b, rtol=0, atol=atol * abs(np.asarray(b)).max())


def test_folding_scales_leaves_the_function():
  close(apply(folded(0), False), apply(tree(0), False))
  assert (folded(0)['0/scale'] == 1).all() and (folded(0)['shift'] == 0).all()


def test_layer_norm_becomes_rms_norm_of_a_centred_stream():
  params = tree(0)
  new = matching.fold_norms(SPEC, 'stream', params, NORMS, WRITERS)
  close(apply(new, centered=True), apply(params, centered=True))
  close(apply(new, centered=False), apply(params, centered=True))


def test_a_layer_norm_model_stays_one_under_the_rotation_found():
  a, b = (
    matching.fold_norms(SPEC, 'stream', tree(seed), NORMS, WRITERS)
    for seed in (0, 1)
  )
  found = match(a=a, b=b)
  moved = symmetry.act(SPEC, found.element, b)
  moved = turn(found.rotations['stream'], moved)
  assert abs(moved['embed'] - b['embed']).max() > 0.1
  close(apply(moved, centered=True), apply(tree(1), centered=True))


def test_a_rotation_leaves_the_function_of_a_folded_model_only():
  params, q = folded(0), rotation(1)
  want = apply(params, False)
  close(apply(turn(q, params), False), want)
  with pytest.raises(AssertionError):
    close(apply(turn(q, tree(0)), False), apply(tree(0), False))
  partial = matching.rotate(SPEC, {'stream': q}, params, ('0/down_bias',))
  with pytest.raises(AssertionError):
    close(apply(partial, False), want)


def test_a_planted_rotation_is_found():
  a, q = folded(0), rotation(2)
  found = match(a=a, b=turn(q, a))
  close(found.rotations['stream'], q.T, atol=1e-5)
  assert found.objective[-1] > found.objective[0]


def test_the_rotation_is_the_best_there_is():
  a, b = folded(0), folded(1)
  spec = SPEC._replace(groups={'stream': SPEC.groups['stream']})
  still = lambda axes: tuple(
    f if f.name == 'stream' else F(None, f.size) for f in axes
  )
  spec = spec._replace(leaves={n: still(x) for n, x in SPEC.leaves.items()})
  found = matching.orthogonal(spec, a, b, ['stream'], still='.*(scale|shift)')
  moving = [n for n, axes in spec.leaves.items() if F('stream', D) in axes]
  inner = lambda q: sum(
    float(np.vdot(a[n], x))
    for n, x in turn(q, b).items()
    if n in moving and n not in SCALES
  )
  rotation_found = np.asarray(found.rotations['stream'])
  best = inner(rotation_found)
  assert found.objective[-1] == pytest.approx(best, rel=1e-5)
  others = [inner(rotation(seed)) for seed in range(20)]
  near = [inner(rotation_found @ _small(seed)) for seed in range(5)]
  assert max(others + near) < best


def _small(seed):
  draw = 0.01 * np.random.default_rng(seed).normal(size=(D, D))
  return linalg.expm(draw - draw.T).astype(np.float32)


def test_rotation_and_permutations_are_found_in_turn():
  q, rng = rotation(3), np.random.default_rng(4)
  g = {f'hidden{i}': rng.permutation(WIDTH).astype(np.int32) for i in (0, 1)}
  g['stream'] = np.arange(D, dtype=np.int32)
  b = jax.tree.map(lambda x, y: x + 0.1 * y, tree(0), tree(7))
  a, b = fold(tree(0)), fold(b)
  act = jax.jit(functools.partial(symmetry.act, SPEC))
  b = turn(q, act(g, b))
  found = match(a=a, b=b)
  assert (np.diff(found.objective) > 0).all() and found.sweeps > 1
  assert all((found.element[n] == np.argsort(g[n])).all() for n in g)
  moved = turn(found.rotations['stream'], act(found.element, b))
  for name in ('0/up', '1/down', 'embed'):
    assert abs(moved[name] - a[name]).max() < 0.7


P, C = symmetry.Product, symmetry.Concat


def test_heads_are_permuted_and_their_values_rotated():
  groups = {
    'stream': symmetry.Group(D),
    'heads': symmetry.Group(3),
    'qk': symmetry.Group(4, over=('heads',)),
    'v': symmetry.Group(4, over=('heads',)),
  }
  qk, v = (P((F('heads', 3), F(name, 4))) for name in ('qk', 'v'))
  stream = F('stream', D)
  spec = symmetry.Spec(
    groups,
    {
      'embed': (F(None, 8), stream),
      'fused': (stream, C((qk, qk, v))),
      'out': (F('heads', 3), F('v', 4), stream),
    },
  )
  rng = np.random.default_rng(0)
  shapes = {'embed': (8, D), 'fused': (D, 36), 'out': (3, 4, D)}
  a = {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
  g = {
    'stream': np.arange(D),
    'heads': rng.permutation(3),
    'qk': np.argsort(rng.random((3, 4)), -1),
    'v': np.tile(np.arange(4), (3, 1)),
  }
  g = {name: x.astype(np.int32) for name, x in g.items()}
  turns = {
    'stream': rotation(1),
    'v': np.stack([np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(3)]),
  }
  move = jax.jit(
    lambda g, r, p: matching.rotate(spec, r, symmetry.act(spec, g, p))
  )
  b = move(g, turns, a)
  for x, y in zip(heads_of(b), heads_of(a), strict=True):
    close(x, y)  # What is planted is a symmetry of attention.
  found = matching.orthogonal(spec, a, b, ['stream', 'v'])
  moved = move(found.element, found.rotations, b)
  for name in a:
    close(moved[name], a[name])


def heads_of(params):
  """The sums over heads of the circuits, seen from the embedding."""
  p = float64(params)
  q, k, v = (x.reshape(D, 3, 4) for x in np.split(p['fused'], 3, 1))
  e = p['embed']
  qk = np.einsum('xd,dhi,ehi,ye->hxy', e, q, k, e)
  ov = np.einsum('xd,dhi,hie,ye->hxy', e, v, p['out'], e)
  return (qk**3).sum(0), (qk * ov).sum(0)


def test_what_does_not_fit_is_named():
  a, bare = tree(0), folded(0)
  with pytest.raises(ValueError, match="no group 'strem' to rotate; near"):
    matching.orthogonal(SPEC, a, a, ['strem'])
  with pytest.raises(ValueError, match='must be all 1 or all 0; fold it'):
    match(a=a, b=bare)
  with pytest.raises(
    ValueError, match=r"'stream' should have the shape \[6, 6\]"
  ):
    matching.rotate(SPEC, {'stream': np.eye(5)}, a)
  with pytest.raises(ValueError, match="'0/shift' has to go into a bias"):
    norm = matching.Norm('0/scale', {'0/up': None}, '0/shift')
    matching.fold_norms(SPEC, 'stream', a, [norm])
  with pytest.raises(ValueError, match="'0/up_bias' has no axis, or two"):
    matching.fold_norms(SPEC, 'stream', a, [], ['0/up_bias'])
