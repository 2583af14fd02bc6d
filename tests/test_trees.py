import zlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import trees

TREE = {
  'Dense_0': {'kernel': jnp.ones((2, 3)), 'bias': jnp.zeros(3)},
  'layers': [{'w': jnp.ones(2)}, (jnp.zeros(()), None)],
  'step': jnp.array(3),
}
NAMES = [
  'Dense_0/bias',
  'Dense_0/kernel',
  'layers/0/w',
  'layers/1/0',
  'step',
]


def test_names_are_paths_in_the_order_of_the_leaves():
  assert trees.leaf_names(TREE) == NAMES
  assert list(trees.named(TREE)) == NAMES
  assert trees.leaf_names(jnp.zeros(3)) == ['']


def test_two_leaves_of_one_name_are_refused():
  tree = {'a/b': jnp.zeros(1), 'a': {'b': jnp.zeros(1)}}
  with pytest.raises(ValueError, match=r"same name: \['a/b'\]; rename one"):
    trees.named(tree)


@pytest.mark.parametrize(
  ('leaf', 'floating'),
  [
    (jnp.zeros(2), True),
    (jnp.zeros(2, jnp.bfloat16), True),
    (np.zeros(2, np.float16), True),
    (1.0, True),
    (jnp.zeros(2, jnp.int32), False),
    (jnp.zeros(2, bool), False),
    (jnp.zeros(2, jnp.complex64), False),
    (jax.random.key(0), False),
  ],
)
def test_what_is_floating(leaf, floating):
  assert trees.is_floating(leaf) == floating


def test_floating_leaves_by_name():
  assert list(trees.floating(TREE)) == NAMES[:-1]


@pytest.mark.parametrize(
  ('tree', 'message'),
  [
    ({}, 'no leaves'),
    ({'step': jnp.array(1)}, r"\['step'\]"),
    ({'empty': jnp.zeros((0, 3))}, r"\['empty'\]"),
    (None, 'no leaves'),
  ],
)
def test_a_tree_without_weights_is_refused(tree, message):
  with pytest.raises(ValueError, match=f'no floating-point.*{message}'):
    trees.floating(tree)


def test_replacing_keeps_the_structure_and_the_rest():
  new = trees.replace(TREE, {'layers/0/w': jnp.zeros(2)})
  assert jax.tree.structure(new) == jax.tree.structure(TREE)
  assert new['layers'][0]['w'].sum() == 0
  assert new['Dense_0']['kernel'] is TREE['Dense_0']['kernel']


def test_replacing_a_leaf_that_is_not_there_is_refused():
  with pytest.raises(ValueError, match='kernal'):
    trees.replace(TREE, {'Dense_0/kernal': jnp.zeros(1)})


@pytest.mark.parametrize(
  ('pattern', 'found'),
  [
    ('Dense_0/.*', NAMES[:2]),
    ('.*', NAMES),
    ('step', ['step']),
    (lambda name, x: x.ndim == 1, ['Dense_0/bias', 'layers/0/w']),
  ],
)
def test_a_pattern_matches_whole_names(pattern, found):
  assert trees.match(TREE, pattern) == found


@pytest.mark.parametrize('pattern', ['Dense_0', 'kernel', 'Dense_0/kern', '/'])
def test_a_part_of_a_name_is_no_match(pattern):
  with pytest.raises(
    ValueError, match=r'matches no leaf.*near misses: .*whole'
  ):
    trees.match(TREE, pattern)


def test_near_misses_are_listed_nearest_first():
  with pytest.raises(ValueError, match=r"near misses: \['Dense_0/kernel'"):
    trees.match(TREE, 'Dense_0/kernl')
  assert trees.nearest('Dense_0/bais', NAMES, n=1) == ['Dense_0/bias']


def test_the_key_of_a_leaf_is_a_function_of_key_and_name():
  key = jax.random.key(0)
  data = jax.random.key_data(jax.jit(trees.key_for, static_argnums=1)(key, 'a'))
  expected = jax.random.fold_in(key, zlib.crc32(b'a'))
  chex.assert_trees_all_equal(data, jax.random.key_data(expected))
  other = jax.random.key_data(trees.key_for(key, 'b'))
  assert (data != other).any()


def test_the_key_of_a_leaf_never_changes():
  """Saved bases depend on it."""
  key = trees.key_for(jax.random.key(0), 'Dense_0/kernel')
  assert jax.random.key_data(key).tolist() == [4116927015, 1262984657]


def test_shifting_rounds_once():
  """In bfloat16 1 + 0.0039 is 1, and 1 + 0.0040 is 1.0078."""
  params = {'w': jnp.ones(2, jnp.bfloat16), 'step': jnp.array(1)}
  moved = jax.jit(trees.shift)(params, {'w': jnp.array([0.0039, 0.0040])})
  assert moved['w'].dtype == jnp.bfloat16
  assert moved['w'].astype(jnp.float32).tolist() == [1.0, 1.0078125]
  assert moved['step'] == 1


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16', 'float32'])
def test_arithmetic_is_in_float32(dtype):
  x = jnp.ones(2, dtype)
  assert trees.widen(x).dtype == jnp.float32


def test_size():
  assert trees.size(TREE) == 6 + 3 + 2 + 1 + 1
  assert trees.size({}) == 0


def test_equal_trees_pass_the_check():
  trees.check_same(TREE, jax.tree.map(jnp.zeros_like, TREE), 'same')


@pytest.mark.parametrize(
  ('other', 'message'),
  [
    ({'a': jnp.zeros(2)}, r"Missing: \['b'\]; unexpected: \[\]"),
    (
      {'a': jnp.zeros(2), 'c': jnp.zeros(3)},
      r"Missing: \['b'\]; unexpected: \['c'\]",
    ),
    (
      {'a': jnp.zeros(2), 'b': jnp.zeros(4)},
      r"leaf 'b' should be float32\[3\], got float32\[4\]",
    ),
    (
      {'a': jnp.zeros(2), 'b': jnp.zeros(3, jnp.bfloat16)},
      r"leaf 'b' should be float32\[3\], got bfloat16\[3\]",
    ),
  ],
)
def test_what_differs_is_named(other, message):
  with pytest.raises(ValueError, match=f'^mine: .*{message}'):
    trees.check_same({'a': jnp.zeros(2), 'b': jnp.zeros(3)}, other, 'mine')


def test_leaves_that_are_carried_must_be_the_same_in_both():
  tree = TREE | {'key': jax.random.key(0), 'on': jnp.array([True])}
  moved = tree | {'Dense_0': jax.tree.map(lambda x: x + 1, TREE['Dense_0'])}
  trees.check_carried(tree, moved, 'b, beside a')
  jax.jit(lambda a, b: trees.check_carried(a, b, 'b'))(
    {'step': tree['step']}, {'step': jnp.array(4)}
  )
  for name, x in (
    ('step', jnp.array(4)),
    ('step', jnp.array(3, jnp.int8)),
    ('key', jax.random.key(1)),
    ('on', jnp.array([False])),
  ):
    with pytest.raises(ValueError, match=f"b, beside a: leaf '{name}' is not"):
      trees.check_carried(tree, tree | {name: x}, 'b, beside a')
