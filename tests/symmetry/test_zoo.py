"""What is derived of many models is right, and all that a person would find."""

import collections
import re
import time

import pytest
import zoo

from paramspace import symmetry

F = symmetry.Factor

# The groups that each model has, from its architecture: 3/2 is one of size 3
# that depends on the index of one of size 2, 3/3/2 on a layer's and a head's.
RESIDUAL_20 = '4 4 4 4 6 6 6 6 10 10 10 10'
BLOCK = '2 3/2 3/2 10'  # Heads, queries and keys, values, hidden units.
GROUPS = {
  'mlp': '5 6 7',
  'lenet': '6 8 10 12',
  'vgg_layer': '4 6 10',
  'resnet20_batch': RESIDUAL_20,
  'resnet20_layer': RESIDUAL_20,
  'resnet20_group': '2 ' * 12 + '2/2 2/2 2/2 2/2 3/2 3/2 3/2 3/2 '
  '5/2 5/2 5/2 5/2',
  'resnet50_batch': '4 4 4 4 4 6 6 8 10',
  'resnet50_layer': '4 4 4 4 4 8',
  'resnet50_group': '2 ' * 6 + '2/2 2/2 2/2 2/2 2/2 4/2',
  'mobile': '8 5 2 3/2 5/2',
  'densenet': '5 3 3 6 4 4',
  'unet': '4 6 8 5 7 3 9',
  'vit': f'8 {BLOCK}',
  'gpt': f'8 {BLOCK}',
  'gpt_fused': f'8 {BLOCK}',
  'llama': '9 2 3/2 5/2 7 2 3/2 5/2 7',
  'mixture': '6 3 7/3',
  'mixture_top': '6 7/3',
  'lstm': '6',
  'stacked': '8 10/3 2/3 3/3/2 3/3/2',
  'nnx': '7',
  'equinox_mlp': '6 6',
  'equinox_attention': '2 3/2 5/2',
}

# What stays although it need not. Sorting tells the experts apart, and nothing
# is known of what becomes of the order.
MISSED = {
  'mixture_top': {
    ('params/Dense_1/bias', 0),
    ('params/Dense_1/kernel', 1),
    ('params/down', 0),
    ('params/up', 0),
  }
}

# As in git-re-basin, where P_bg is the stage and P the block; but for the names
# of Flax's layers.
BLOCKS = [f'params/Residual_{k}' for k in range(9)]
RESNET20 = {
  r'params/(Conv|LayerNorm)_0/\w+': '... stage0',
  **{
    f'{b}/Conv_1/kernel': f'_ _ inner{k} stage{k // 3}'
    for k, b in enumerate(BLOCKS)
  },
  **{
    f'{b}/Conv_0/kernel': f'_ _ stage{max(k - 1, 0) // 3} inner{k}'
    for k, b in enumerate(BLOCKS)
  },
  **{f'{b}/LayerNorm_0/\\w+': f'inner{k}' for k, b in enumerate(BLOCKS)},
  **{
    f'{b}/LayerNorm_[12]/\\w+': f'stage{k // 3}' for k, b in enumerate(BLOCKS)
  },
  **{
    f'{BLOCKS[3 * s]}/Conv_2/kernel': f'_ _ stage{s - 1} stage{s}'
    for s in (1, 2)
  },
  'params/Dense_0/kernel': 'stage2 _',
}

LLAMA = {
  'params/(Embed_0/embedding|RMSNorm_./scale)': '... res',
  **{
    f'params/Dense_{4 * k + i}/kernel': text
    for k in range(2)
    for i, text in enumerate(
      [
        f'res (g{k} r{k} 4)+(g{k} 4)+(g{k} v{k})',
        f'(g{k} r{k} v{k}) res',
        f'res ff{k}+ff{k}',
        f'ff{k} res',
      ]
    )
  },
}


@pytest.fixture(scope='module', params=zoo.MODELS)
def derived(request):
  model = zoo.MODELS[request.param]()
  spec = symmetry.derive(model.apply, model.variables, *model.inputs)
  return request.param, model, spec


def sizes(spec):
  """Returns how often there is a group of each size over others' sizes."""
  texts = []
  for group in spec.groups.values():
    if group.moves:
      over = [spec.groups[name].size for name in group.over]
      texts.append('/'.join(map(str, [group.size, *over])))
  return collections.Counter(texts)


def test_the_groups_are_those_of_the_architecture(derived):
  name, _, spec = derived
  expected = collections.Counter(GROUPS[name].split())
  assert sizes(spec) == expected, symmetry.describe(spec)


def test_the_function_stays_the_same(derived):
  _, model, spec = derived
  report = symmetry.verify(model.apply, model.variables, spec, *model.inputs)
  assert max(report.errors) <= 1e-12


def test_nothing_is_missed(derived):
  name, model, spec = derived
  if re.fullmatch('resnet.*(group|layer)|resnet50_batch', name):
    pytest.skip('the convolutions are those of resnet20_batch')
  apply, variables, inputs = model
  missed = symmetry.complete(apply, variables, spec, *inputs, tries=1)
  assert {(m.leaf, m.axis) for m in missed} == MISSED.get(name, set())


def fixed(axis):
  if isinstance(axis, F):
    return F(None, axis.size)
  return type(axis)(tuple(map(fixed, axis.parts)))


@pytest.mark.parametrize('name', ['unet', 'lstm', 'llama', 'mixture'])
def test_all_that_was_taken_away_is_found_again(name):
  apply, variables, inputs = zoo.MODELS[name]()
  spec = symmetry.derive(apply, variables, *inputs)
  leaves = {n: tuple(map(fixed, axes)) for n, axes in spec.leaves.items()}
  bare = symmetry.Spec({}, leaves)
  missed = symmetry.complete(apply, variables, bare, *inputs, tries=1)
  assert {(m.leaf, m.axis) for m in missed} == {
    (leaf, k)
    for leaf, axes in spec.leaves.items()
    for k, axis in enumerate(axes)
    if any(f.name for f in symmetry.factors(axis))
  }


def test_json_gives_it_back(derived):
  assert symmetry.loads(symmetry.dumps(derived[2])) == derived[2]


def test_every_model_is_expected():
  assert zoo.MODELS.keys() == GROUPS.keys()


def renamed(spec):
  """Returns a specification, groups named in the order they are met."""
  names = {None: None}
  for leaf in sorted(spec.leaves):
    for axis in spec.leaves[leaf]:
      for factor in symmetry.factors(axis):
        names.setdefault(factor.name, f'group {len(names)}')

  def rename(axis):
    if isinstance(axis, symmetry.Factor):
      return axis._replace(name=names[axis.name])
    return type(axis)(tuple(map(rename, axis.parts)))

  groups = {
    names[name]: group._replace(over=tuple(names[o] for o in group.over))
    for name, group in spec.groups.items()
  }
  leaves = {n: tuple(map(rename, axes)) for n, axes in spec.leaves.items()}
  return symmetry.Spec(groups, leaves)


def by_hand(name):
  model = zoo.MODELS[name]()
  if name == 'resnet20_layer':
    return model, symmetry.from_rules(model.variables, RESNET20, rest='...')
  over, sizes = {'[rv](.)': (r'g\1',)}, {'g0': 2, 'r0': 3, 'g1': 2, 'r1': 3}
  return model, symmetry.from_rules(
    model.variables, LLAMA, over=over, sizes=sizes
  )


@pytest.mark.parametrize('name', ['resnet20_layer', 'llama'])
def test_a_person_would_have_written_the_same(name):
  model, spec = by_hand(name)
  derived = symmetry.derive(model.apply, model.variables, *model.inputs)
  assert renamed(derived) == renamed(spec)


def depends(spec, axis):
  names = [f.name for f in symmetry.factors(axis) if f.name]
  return any(spec.groups[name].over for name in names)


@pytest.mark.parametrize('name', ['mlp', 'unet', 'lstm', 'stacked', 'mixture'])
def test_an_axis_left_out_is_named(name):
  model = zoo.MODELS[name]()
  apply, variables, inputs = model
  spec = symmetry.derive(apply, variables, *inputs)
  plain = [F(n, g.size) for n, g in spec.groups.items() if g.moves]
  leaf, k, factor = next(
    (leaf, k, axis)
    for leaf, axes in reversed(spec.leaves.items())
    for k, axis in enumerate(axes)
    if axis in plain and not any(depends(spec, a) for a in axes)
  )
  axes = list(spec.leaves[leaf])
  axes[k] = F(None, factor.size)
  wrong = spec._replace(leaves={**spec.leaves, leaf: tuple(axes)})
  message = f'{re.escape(repr(factor.name))} .*missing on {leaf}: {k}'
  with pytest.raises(ValueError, match=message):
    symmetry.verify(apply, variables, wrong, *inputs, seeds=1)


def test_two_groups_swapped_on_a_leaf_are_named():
  apply, variables, inputs = zoo.MODELS['resnet50_layer']()
  spec = symmetry.derive(apply, variables, *inputs)
  leaf = 'params/Bottleneck_0/Conv_1/kernel'
  height, width, one, other = spec.leaves[leaf]
  swapped = {**spec.leaves, leaf: (height, width, other, one)}
  wrong = spec._replace(leaves=swapped)
  message = f"2 of 6 groups .*They meet on \\['{leaf}'\\]"
  with pytest.raises(ValueError, match=message):
    symmetry.verify(apply, variables, wrong, *inputs, seeds=1)


@pytest.mark.parametrize('name', zoo.FULL)
def test_models_of_full_size_are_derived_in_seconds(name):
  model = zoo.FULL[name]()
  start = time.process_time()
  spec = symmetry.derive(model.apply, model.variables, *model.inputs)
  assert time.process_time() - start < 3
  count = {'resnet50': 1 + 4 + 2 * 16, 'gpt': 1 + 4 * 12}[name]
  assert sum(group.moves for group in spec.groups.values()) == count
