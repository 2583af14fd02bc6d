"""The element that is found makes the inner product large, as it can be."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec

from paramspace import matching
from paramspace import sharding
from paramspace import symmetry

F, P, C = symmetry.Factor, symmetry.Product, symmetry.Concat
KEY = jax.random.key(0)


def mlp_spec(sizes=(6, 16, 16, 4)):
  """Two hidden layers, with biases."""
  names = [None, *[f'hidden{i}' for i in range(len(sizes) - 2)], None]
  axes = [F(name, size) for name, size in zip(names, sizes, strict=True)]
  leaves = {}
  for i, (before, after) in enumerate(itertools.pairwise(axes)):
    leaves |= {f'{i}/kernel': (before, after), f'{i}/bias': (after,)}
  groups = {x.name: symmetry.Group(x.size) for x in axes if x.name}
  return symmetry.Spec(groups, leaves)


def attention_spec():
  """Fused qkv and what joins the heads, in two layers that are stacked."""
  group = symmetry.Group
  groups = {
    'width': group(12),
    'heads': group(4),
    'qk': group(5, over=('heads',)),
    'v': group(5, over=('heads',)),
    'layer': group(2, moves=False),
    'hidden': group(9, over=('layer',)),
  }
  heads, width = F('heads', 4), F('width', 12)
  qk, v = P((heads, F('qk', 5))), P((heads, F('v', 5)))
  leaves = {
    'embed': (F(None, 7), width),
    'qkv': (width, C((qk, qk, v))),
    'out': (heads, F('v', 5), width),
    'up': (F('layer', 2), width, F('hidden', 9)),
    'down': (F('layer', 2), F('hidden', 9), width),
  }
  return symmetry.Spec(groups, leaves)


def nested_spec():
  """Heads for each layer of a stack, and units for each of these heads."""
  group = symmetry.Group
  groups = {
    'width': group(12),
    'layer': group(2, moves=False),
    'heads': group(4, over=('layer',)),
    'qk': group(5, over=('layer', 'heads')),
    'v': group(5, over=('heads', 'layer')),
  }
  layer, width, heads = F('layer', 2), F('width', 12), F('heads', 4)
  leaves = {
    'embed': (F(None, 7), width),
    'qk': (layer, width, C((P((heads, F('qk', 5))), F(None, 2)))),
    'gate': (layer, heads),
    'v': (layer, P((heads, F('v', 5))), width),
    'gain': (heads, layer, F('v', 5)),
  }
  return symmetry.Spec(groups, leaves)


SPECS = {
  'mlp': mlp_spec(),
  'attention': attention_spec(),
  'nested': nested_spec(),
}


def draw(spec, seed, dtype=jnp.float32):
  rng = np.random.default_rng(seed)
  return {
    name: jnp.asarray(rng.standard_normal(_shape(axes)), dtype)
    for name, axes in spec.leaves.items()
  }


def _shape(axes):
  return tuple(map(_size, axes))


def _size(axis):
  if isinstance(axis, F):
    return axis.size
  sizes = [_size(part) for part in axis.parts]
  return int(np.prod(sizes)) if isinstance(axis, P) else sum(sizes)


def inner(a, b):
  """The inner product of two trees, in float64."""
  wide = lambda x: np.asarray(x, np.float64).ravel()
  return sum(float(wide(a[n]) @ wide(b[n])) for n in a)


def same(a, b):
  return all((np.asarray(a[n]) == np.asarray(b[n])).all() for n in a)


def match(spec, a, b, **options):
  return matching.weight_matching(KEY, spec, a, b, **options)


@pytest.fixture(params=SPECS)
def spec(request):
  return SPECS[request.param]


@pytest.fixture
def unlike(spec):
  """Two models that have nothing in common."""
  return draw(spec, 1), draw(spec, 2)


def test_a_permuted_copy_is_recovered_exactly(spec):
  a = draw(spec, 0)
  g = symmetry.random(jax.random.key(1), spec)
  found = match(spec, a, symmetry.act(spec, g, a))
  assert same(found.element, symmetry.inverse(spec, g))
  np.testing.assert_allclose(found.objective[-1], inner(a, a), rtol=1e-6)


def test_a_model_is_left_where_it_is_beside_itself(spec):
  a = draw(spec, 0)
  for starts in ('growth',), ('identity',):
    found = match(spec, a, a, starts=starts)
    assert same(found.element, symmetry.identity(spec))


def test_dead_units_stay_where_they_are():
  spec = SPECS['mlp']
  a = draw(spec, 0)
  dead = {n: x.copy() for n, x in a.items()}
  dead['0/kernel'] = a['0/kernel'].at[:, 3:7].set(0)
  dead['0/bias'] = a['0/bias'].at[3:7].set(0)
  dead['1/kernel'] = a['1/kernel'].at[3:7].set(0)
  for starts in ('growth',), ('identity',):
    found = match(spec, dead, dead, starts=starts)
    assert same(found.element, symmetry.identity(spec))


@pytest.mark.parametrize(
  'starts', [('growth',), ('identity',), ('outwards',), ('random',)]
)
def test_the_objective_never_falls_and_is_what_the_element_gives(
  spec, unlike, starts
):
  a, b = unlike
  found = match(spec, a, b, starts=starts)
  assert (np.diff(found.objective) >= 0).all()
  assert len(found.objective) == found.sweeps + 1
  moved = symmetry.act(spec, found.element, b)
  np.testing.assert_allclose(found.objective[-1], inner(a, moved), rtol=1e-5)
  if starts == ('identity',):
    np.testing.assert_allclose(found.objective[0], inner(a, b), atol=1e-3)


def test_no_other_assignment_of_one_group_is_better(spec, unlike):
  a, b = unlike
  found = match(spec, a, b)
  best = found.objective[-1]
  rng = np.random.default_rng(0)
  for name, x in found.element.items():
    for _ in range(20):
      i, j = rng.choice(x.shape[-1], 2, replace=False)
      swapped = np.array(x)
      swapped[..., [i, j]] = swapped[..., [j, i]]
      moved = symmetry.act(spec, {**found.element, name: swapped}, b)
      assert inner(a, moved) <= best + 1e-3


def test_one_hidden_layer_is_solved_as_trying_all_permutations_does():
  spec = mlp_spec((3, 5, 2))
  a, b = draw(spec, 1), draw(spec, 2)
  every = [
    inner(a, symmetry.act(spec, {'hidden0': np.array(p, np.int32)}, b))
    for p in itertools.permutations(range(5))
  ]
  found = match(spec, a, b)
  np.testing.assert_allclose(found.objective[-1], max(every), rtol=1e-5)


def test_heads_are_solved_with_what_is_within_them():
  """All assignments of three heads of three, one inner group."""
  groups = {
    'heads': symmetry.Group(3),
    'v': symmetry.Group(3, over=('heads',)),
  }
  axis = P((F('heads', 3), F('v', 3)))
  spec = symmetry.Spec(groups, {'w': (F(None, 2), axis)})
  a, b = draw(spec, 1), draw(spec, 2)
  every = list(itertools.permutations(range(3)))
  values = []
  for heads in every:
    total = 0.0
    for h in range(3):
      x = np.asarray(a['w'], np.float64).reshape(2, 3, 3)[:, h]
      y = np.asarray(b['w'], np.float64).reshape(2, 3, 3)[:, heads[h]]
      total += max((x * y[:, list(v)]).sum() for v in every)
    values.append(total)
  found = match(spec, a, b, starts=('identity',))
  np.testing.assert_allclose(found.objective[-1], max(values), rtol=1e-5)


def test_three_groups_within_each_other_are_matched_in_turn():
  """Their joint assignment is no linear one, so that the best may be missed."""
  spec = SPECS['nested']
  half = symmetry.Group(3, over=('heads', 'layer', 'v'))
  heads, layer, v = (F(n, spec.groups[n].size) for n in ('heads', 'layer', 'v'))
  leaf = (heads, layer, P((v, F('half', 3))), F(None, 6))
  spec = symmetry.Spec(
    {**spec.groups, 'half': half}, {**spec.leaves, 'half': leaf}
  )
  a = draw(spec, 0)
  g = symmetry.random(jax.random.key(1), spec)
  found = match(spec, a, symmetry.act(spec, g, a))
  assert same(found.element, symmetry.inverse(spec, g))
  b = draw(spec, 1)
  found = match(spec, a, b)
  assert (np.diff(found.objective) >= 0).all()
  moved = symmetry.act(spec, found.element, b)
  np.testing.assert_allclose(found.objective[-1], inner(a, moved), rtol=1e-5)


def test_growth_does_not_see_how_the_second_model_is_permuted(spec):
  a = draw(spec, 0)
  noise = draw(spec, 3)
  b = {n: x + noise[n] for n, x in a.items()}
  g = symmetry.random(jax.random.key(4), spec)
  straight = match(spec, a, b, starts=('growth',))
  moved = match(spec, a, symmetry.act(spec, g, b), starts=('growth',))
  assert same(symmetry.compose(spec, moved.element, g), straight.element)


def test_a_group_twice_on_a_leaf_only_ever_helps():
  """P W P^T: a change is made where the true objective grows."""
  width = F('width', 8)
  leaves = {'square': (width, width), 'in': (F(None, 2), width)}
  spec = symmetry.Spec({'width': symmetry.Group(8)}, leaves)
  for seed in range(5):
    a, b = draw(spec, seed), draw(spec, seed + 100)
    found = match(spec, a, b)
    assert (np.diff(found.objective) >= 0).all()
    moved = symmetry.act(spec, found.element, b)
    np.testing.assert_allclose(found.objective[-1], inner(a, moved), rtol=1e-4)
    g = symmetry.random(jax.random.key(seed), spec)
    again = match(spec, a, symmetry.act(spec, g, a))
    assert same(again.element, symmetry.inverse(spec, g))


def test_excluded_leaves_and_weights_count_as_they_should():
  spec = SPECS['mlp']
  a, b = draw(spec, 1), draw(spec, 2)
  b = b | {'1/kernel': 100 * b['1/kernel']}
  kernel = {n: np.zeros_like(x) for n, x in a.items()}
  without = match(spec, a, b, exclude='1/kernel')
  zeros = match(spec, a | {'1/kernel': kernel['1/kernel']}, b)
  np.testing.assert_allclose(without.objective[-1], zeros.objective[-1], 1e-5)
  scaled = match(spec, a, b, weights={'1/kernel': 0.01})
  plain = match(spec, a | {'1/kernel': 0.01 * a['1/kernel']}, b)
  assert same(scaled.element, plain.element)


@pytest.mark.parametrize('on', ['host', 'device'])
def test_the_auction_finds_what_scipy_finds(on):
  spec = SPECS['mlp']
  a, noise = draw(spec, 0), draw(spec, 3)
  b = {n: x + 0.5 * noise[n] for n, x in a.items()}
  g = symmetry.random(jax.random.key(4), spec)
  found = match(spec, a, symmetry.act(spec, g, b), solver='auction', on=on)
  assert same(found.element, symmetry.inverse(spec, g))
  assert 0 <= found.gap <= 1e-3 * found.objective[-1]


@pytest.mark.parametrize('name', ['mlp', 'nested'])
def test_the_device_finds_what_the_host_finds(name):
  spec = SPECS[name]
  a, b = draw(spec, 1), draw(spec, 2)
  host, device = (match(spec, a, b, on=on) for on in ('host', 'device'))
  assert same(host.element, device.element)
  np.testing.assert_allclose(host.objective, device.objective, rtol=1e-5)


@pytest.mark.optimized
def test_sharded_models_are_matched_alike():
  spec = SPECS['mlp']
  a, b = draw(spec, 1), draw(spec, 2)
  mesh = sharding.mesh()
  along = NamedSharding(mesh, PartitionSpec(None, mesh.axis_names[0]))
  spread = lambda tree: (
    tree | {'1/kernel': jax.device_put(tree['1/kernel'], along)}
  )
  want = match(spec, a, b)
  for on in 'host', 'device':
    found = match(spec, spread(a), spread(b), on=on)
    assert same(found.element, want.element)


def test_bfloat16_is_matched_in_float32():
  spec = SPECS['mlp']
  a = draw(spec, 0, jnp.bfloat16)
  g = symmetry.random(jax.random.key(1), spec)
  found = match(spec, a, symmetry.act(spec, g, a))
  assert same(found.element, symmetry.inverse(spec, g))


def test_the_same_key_finds_the_same(spec, unlike):
  a, b = unlike
  first, second = match(spec, a, b), match(spec, a, b)
  assert same(first.element, second.element)
  assert (first.objective == second.objective).all()


def test_a_given_start_is_where_it_starts(spec, unlike):
  a, b = unlike
  g = symmetry.random(jax.random.key(5), spec)
  found = match(spec, a, b, init=g)
  moved = symmetry.act(spec, g, b)
  np.testing.assert_allclose(found.objective[0], inner(a, moved), atol=1e-3)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'solver': 'sinkhorn'}, "`solver` must be of .*'scipy'"),
    ({'starts': ('middle',)}, "got 'middle'"),
    ({'starts': ()}, '`starts` is empty'),
    ({'exclude': 'conv.*'}, "'conv.*' matches no leaf"),
    ({'weights': {'0/kernel': -1.0}}, "'0/kernel' has -1"),
    ({'on': 'tpu'}, "got 'tpu'"),
    ({'init': {}}, "Missing: \\['hidden0'"),
  ],
)
def test_bad_arguments_are_refused(options, message):
  spec = SPECS['mlp']
  a = draw(spec, 1)
  with pytest.raises(ValueError, match=message):
    match(spec, a, a, **options)


def test_bad_trees_are_refused_by_the_name_of_the_leaf():
  spec = SPECS['mlp']
  a = draw(spec, 1)
  bad = a | {'1/kernel': a['1/kernel'].at[2, 3].set(jnp.nan)}
  for on in 'host', 'device':
    with pytest.raises(ValueError, match="b: leaf '1/kernel' has a value"):
      match(spec, a, bad, on=on)
  with pytest.raises(ValueError, match=r"'1/kernel' has the shape \[2, 2\]"):
    match(spec, a | {'1/kernel': jnp.zeros((2, 2))}, a)
