"""Specifications written by hand, in words, as JSON and as a table."""

import itertools
import json

import jax.numpy as jnp
import pytest

from paramspace import symmetry
from paramspace.symmetry import _notation

F, P, C = symmetry.Factor, symmetry.Product, symmetry.Concat

SHAPES = {
  'block_0/qkv': (5, 36),
  'block_0/out': (4, 3, 5),
  'block_0/up': (5, 14),
  'block_0/down': (7, 5),
  'block_1/qkv': (5, 18),
  'block_1/out': (2, 3, 5),
  'block_1/up': (5, 12),
  'block_1/down': (6, 5),
  'norm/scale': (5,),
  'norm/bias': (5,),
  'head': (5, 3),
  'stack': (3, 5, 8),
  'count': (),
}
RULES = {
  r'block_(\d)/qkv': r'res (h\1 qk\1)+(h\1 qk\1)+(h\1 v\1)',
  r'block_(\d)/out': r'h\1 v\1 res',
  r'block_(\d)/up': r'res ff\1+ff\1',
  r'block_(\d)/down': r'ff\1 res',
  r'norm/(scale|bias)': 'res',
  'head': '... _',
  'stack': 'layer _ inner',
}
OVER = {r'(?:qk|v)(\d)': (r'h\1',), 'inner': ('layer',)}


def params():
  return {name: jnp.zeros(shape) for name, shape in SHAPES.items()}


def from_rules(**changes):
  given = {'over': OVER, 'still': ('layer',), 'rest': '...'} | changes
  rules = RULES | given.pop('rules', {})
  return symmetry.from_rules(params(), rules, **given)


@pytest.fixture(scope='module')
def spec():
  return from_rules()


def test_sizes_follow_from_shapes(spec):
  sizes = {name: group.size for name, group in spec.groups.items()}
  assert sizes == {
    **{'res': 5, 'h0': 4, 'qk0': 3, 'v0': 3, 'ff0': 7, 'h1': 2, 'qk1': 3},
    **{'v1': 3, 'ff1': 6, 'layer': 3, 'inner': 8},
  }
  assert spec.groups['qk1'] == symmetry.Group(3, ('h1',))
  assert spec.groups['layer'] == symmetry.Group(3, moves=False)
  assert spec.leaves['block_0/up'] == (F('res', 5), C((F('ff0', 7),) * 2))
  assert spec.leaves['head'] == (F(None, 5), F(None, 3))
  assert spec.leaves['count'] == ()


def test_a_size_that_no_shape_tells_is_given():
  tree, rules = {'w': jnp.zeros(12)}, {'w': '(a b)'}
  with pytest.raises(ValueError, match=r"'w', axis 0 .* of \['a', 'b'\]"):
    symmetry.from_rules(tree, rules)
  spec = symmetry.from_rules(tree, rules, sizes={'a': 3})
  assert spec.leaves['w'] == (P((F('a', 3), F('b', 4))),)


def test_equal_parts_share_an_axis_equally():
  tree = {'w': jnp.zeros((9, 14))}
  spec = symmetry.from_rules(tree, {'w': '(a a) b+b+2'})
  assert spec.groups['a'].size == 3
  assert spec.groups['b'].size == 6


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'rules': {'head/kernel': '_ _'}}, "near misses: \\['head'"),
    ({'rules': {'.*head': '_ _'}}, "'head' is matched by 2 rules"),
    ({'rest': None}, "1 leaves are matched by no rule: \\['count'\\]"),
    ({'rules': {'head': 'res'}}, "'head' has 2 axes, but 'res' is for 1"),
    ({'rules': {'head': 'res (3'}}, "'head': The notation .* nothing closes"),
    (
      {'rules': {'head': '_ res'}},
      "'head', axis 1 of \\[5, 3\\]: res does not",
    ),
    ({'rules': {'head': r'\2 _'}}, 'invalid group reference 2'),
    ({'rules': {'head': '(_ 2) _'}}, "'head', axis 0 .* does not make 5"),
    ({'rules': {'head': '_+_ _'}}, 'of each _; give `sizes`, or numbers'),
    ({'over': {'q(.)': ('h',)}}, "`over`: 'q\\(.\\)' matches no group"),
    ({'over': {'qk0': ('head',)}}, "'qk0' depends on 'head', which is no"),
    ({'over': OVER | {'ff0': ('h0',)}}, "leaf 'block_0/down' has 0 times"),
    ({'over': OVER | {'v0': ('h0',)}}, "two expressions match the group 'v0'"),
    ({'still': ('layers',)}, "`still`: 'layers' matches no group"),
    ({'sizes': {'hh': 2}}, "`sizes`: 'hh' matches no group"),
    ({'sizes': {'h0': 5}}, "'block_0/qkv', axis 1|'block_0/out', axis 0"),
  ],
)
def test_a_wrong_rule_is_named(changes, message):
  with pytest.raises(ValueError, match=message) as caught:
    from_rules(**changes)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  'text', ['', '3', 'a b 2', '(a b)', 'a+b+3', '(a (b+2))', '(a (b c))+(b+4)+a']
)
def test_notation_is_read_as_it_is_written(text):
  sizes = {'a': 2, 'b': 3, 'c': 4}
  axes = [_notation.sized(axis, sizes) for axis in _notation.parsed(text)]
  assert _notation.formatted(tuple(axes)) == text


@pytest.mark.parametrize(
  'text',
  ['(', ')', '()', 'a+', '+a', '(a', 'a)', '(a ...)', '... ...', 'a+...'],
)
def test_what_is_no_notation_is_refused(text):
  with pytest.raises(ValueError, match='The notation'):
    _notation.parsed(text)


@pytest.mark.parametrize('name', ['3', '_', '...', 'a b', 'a+b', '(a', ''])
def test_a_name_that_would_be_read_otherwise_is_not_written(name):
  spec = symmetry.Spec({name: symmetry.Group(3)}, {'w': (F(name, 3),)})
  with pytest.raises(ValueError, match='has no notation'):
    symmetry.dumps(spec)


def test_json_gives_the_same_specification_back(spec):
  noted = spec._replace(notes=('the axis 0 of "w" stays',))
  assert symmetry.loads(symmetry.dumps(noted)) == noted
  assert symmetry.loads(symmetry.dumps(symmetry.Spec({}, {}))) == ({}, {}, ())


def changed(spec, *path, to):
  entry = json.loads(symmetry.dumps(spec))
  at = entry
  for key in path[:-1]:
    at = at[key]
  at[path[-1]] = to
  return json.dumps(entry)


@pytest.mark.parametrize(
  ('path', 'to', 'message'),
  [
    (('version',), 2, 'has version 2'),
    (('more',), 2, 'is an object with'),
    (('groups', 'res'), 5, "Group 'res' should have a size"),
    (('groups', 'qk0', 'over'), ['w'], "'qk0' depends on 'w'"),
    (('groups', 'res', 'size'), '5', "Group 'res' should have a size"),
    (('leaves', 'head'), '_ 3', "'head': a number must stand where"),
    (('leaves', 'head'), '...', "'head': it has '...'"),
    (('leaves', 'head'), 'rest 3', "'head' has the group 'rest'"),
    (('leaves', 'head'), 3, "'head': its axes should be text"),
  ],
)
def test_json_that_is_wrong_is_refused_by_name(spec, path, to, message):
  with pytest.raises(ValueError, match=message) as caught:
    symmetry.loads(changed(spec, *path, to=to))
  assert '\n' not in str(caught.value)


def test_text_that_is_no_json_is_refused():
  with pytest.raises(ValueError, match='is not JSON'):
    symmetry.loads('{')


def test_the_table_says_where_each_group_is(spec):
  text = symmetry.describe(spec._replace(notes=('`sort` pins axis 0 of w',)))
  first, *rows = text.splitlines()
  assert first.startswith('11 groups, 10^')
  assert first.endswith('; on 11 of 13 leaves')
  below = dict(itertools.pairwise(row.strip() for row in rows))
  assert below['7  ff0'] == 'block_0/down: 0, block_0/up: 1 *+*'
  fused = 'block_0/qkv: 1 (* 3)+(* 3)+(* 3)'
  (heads,) = (n for n in below if n.endswith(' h0') and n[0].isdigit())
  assert below[heads] == f'block_0/out: 0, {fused}'
  assert below['8  inner'] == 'for each of layer'
  assert any(name.endswith('layer (stays)') for name in below)
  assert rows[-1] == 'note: `sort` pins axis 0 of w'
  assert max(map(len, rows)) <= 80
