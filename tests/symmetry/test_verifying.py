"""What verify accepts, what it refuses and whom it names; what is missed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import symmetry

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), jnp.float32)

MLP = {
  'a/kernel': (3, 5),
  'a/bias': (5,),
  'b/kernel': (5, 6),
  'b/bias': (6,),
  'c/kernel': (6, 2),
}
RULES = {
  'a/(kernel|bias)': '... one',
  'b/kernel': 'one two',
  'b/bias': 'two',
  'c/kernel': 'two _',
}


def normal(shapes):
  rng = np.random.default_rng(0)
  draw = lambda shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  return {name: draw(shape) for name, shape in shapes.items()}


def mlp(params, x):
  x = jnp.tanh(x @ params['a/kernel'] + params['a/bias'][None])
  x = jnp.tanh(x @ params['b/kernel'] + params['b/bias'][None])
  return x @ params['c/kernel']


def mlp_spec(**rules):
  return symmetry.from_rules(normal(MLP), RULES | rules)


def convolutions(params, images):
  """Two convolutions with a norm over groups of channels between them."""
  conv = lambda x, w: jax.lax.conv_general_dilated(
    x, w, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  x = conv(images, params['first'])
  parts = x.reshape(*x.shape[:-1], 2, 3)
  mean = parts.mean((1, 2, 4), keepdims=True)
  variance = parts.var((1, 2, 4), keepdims=True)
  x = ((parts - mean) / jnp.sqrt(variance + 1e-5)).reshape(x.shape)
  x = jax.nn.relu(x * params['scale'].reshape(1, 1, 1, -1))
  return conv(x, params['second']).mean((1, 2))


CONVOLUTIONS = {'first': (3, 3, 2, 6), 'scale': (6,), 'second': (3, 3, 6, 4)}
CHANNELS = {
  'first': '... (g c)',
  'scale': '(g c)',
  'second': '_ _ (g c) _',
}
IMAGES = normal({'images': (2, 5, 5, 2)})['images']


def channels_spec(params):
  return symmetry.from_rules(
    params, CHANNELS, over={'c': ('g',)}, sizes={'g': 2}
  )


def test_a_right_specification_passes():
  report = symmetry.verify(mlp, normal(MLP), mlp_spec(), X, seeds=2)
  assert len(report.errors) == 2
  assert max(report.errors) <= 1e-12
  assert max(report.errors) > 0
  assert report.groups == ('one', 'two')


def test_channels_move_within_groups_and_groups_as_wholes():
  params = normal(CONVOLUTIONS)
  spec = channels_spec(params)
  symmetry.verify(convolutions, params, spec, IMAGES)
  across = CHANNELS | {'first': '... h', 'scale': 'h', 'second': '_ _ h _'}
  wrong = symmetry.from_rules(params, across)
  with pytest.raises(ValueError, match=r"'h' \(by .*; on first: 3, scale: 0"):
    symmetry.verify(convolutions, params, wrong, IMAGES)


def test_fresh_parameters_hide_nothing():
  params = normal(MLP) | {'b/bias': jnp.zeros(6)}
  wrong = mlp_spec(**{'b/bias': '_'})
  with pytest.raises(ValueError, match=r"'two' .*on b/bias: 0"):
    symmetry.verify(mlp, params, wrong, X)
  symmetry.verify(mlp, params, wrong, X, jitter=0.0)


@pytest.mark.parametrize(
  ('rules', 'message'),
  [
    (
      {'b/bias': '_'},
      "1 of 2 groups do it alone: 'two' .*missing on b/bias: 0",
    ),
    ({'c/kernel': '_ _'}, "'two' .*missing on c/kernel: 0"),
    ({'c/kernel': 'two out'}, "'out' .*it should not be on c/kernel"),
  ],
)
def test_a_corrupted_specification_is_refused_by_name(rules, message):
  with pytest.raises(ValueError, match=message) as caught:
    symmetry.verify(mlp, normal(MLP), mlp_spec(**rules), X)
  assert '\n' not in str(caught.value)


def test_swapped_groups_are_named_with_the_leaf_they_share():
  params = normal({'a': (3, 5), 'b': (5, 5), 'c': (5, 2)})
  apply = lambda p, x: jnp.tanh(jnp.tanh(x @ p['a']) @ p['b']) @ p['c']
  rules = {'a': '_ one', 'b': 'two one', 'c': 'two _'}
  wrong = symmetry.from_rules(params, rules)
  with pytest.raises(ValueError, match=r"2 of 2 groups .* meet on \['b'\]"):
    symmetry.verify(apply, params, wrong, X)


def test_a_group_of_two_is_moved_by_every_seed():
  params = normal({'a': (3, 2), 'b': (2, 2)})
  apply = lambda p, x: jnp.tanh(x @ p['a']) @ p['b']
  wrong = symmetry.from_rules(params, {'a': '_ h', 'b': '_ _'})
  report = symmetry.verify(apply, params, wrong, X, seeds=5, tolerance=10.0)
  assert min(report.errors) > 0.1


def test_tokens_are_inputs_too():
  params = normal({'table': (7, 5), 'head': (5, 2)})
  apply = lambda p, t, scale: jnp.tanh(scale * p['table'][t]) @ p['head']
  spec = symmetry.from_rules(params, {'table': '_ d', 'head': 'd _'})
  tokens = jnp.array([[0, 3, 6], [1, 1, 2]])
  symmetry.verify(apply, params, spec, tokens, 2.0)


def test_a_model_in_bfloat16_with_arrays_of_its_own_is_widened():
  params = jax.tree.map(lambda x: x.astype(jnp.bfloat16), normal(MLP))
  held = jnp.full((1, 2), 0.5, jnp.bfloat16)
  apply = lambda p, x: mlp(p, x) + held
  symmetry.verify(apply, params, mlp_spec(), X.astype(jnp.bfloat16))


def test_rounding_within_the_model_is_explained():
  apply = lambda p, x: mlp(p, x.astype(jnp.float32)).astype(jnp.float32)
  half = lambda p, x: apply(jax.tree.map(lambda x: x.astype('float32'), p), x)
  with pytest.raises(ValueError, match=r'It computes in float32 within'):
    symmetry.verify(half, normal(MLP), mlp_spec(), X)
  symmetry.verify(half, normal(MLP), mlp_spec(), X, tolerance=1e-5)


def test_a_dtype_that_is_asked_for_within_is_explained():
  def apply(params, x):
    count = lambda total, row: (total + jnp.sum(row), None)
    return jax.lax.scan(count, jnp.zeros((), jnp.float32), mlp(params, x))[0]

  with pytest.raises(ValueError, match=r'does not run .* in float64 .*: scan'):
    symmetry.verify(apply, normal(MLP), mlp_spec(), X)


def test_leaves_and_inputs_that_are_no_floats_are_taken_as_they_are():
  params = normal(MLP) | {'step': jnp.int32(2), 'key': jax.random.key(0)}
  spec = symmetry.from_rules(params, RULES, rest='...')

  def apply(params, x, key):
    noise = jax.random.normal(key, (4, 2), x.dtype)
    return noise + mlp(params, x) * params['step'].astype(x.dtype)

  symmetry.verify(apply, params, spec, X, jax.random.key(1))
  assert symmetry.complete(apply, params, spec, X, jax.random.key(1)) == ()


def test_dropout_is_explained():
  def apply(params, x):
    keep = jax.random.bernoulli(KEY, 0.5, (5,))
    hidden = jnp.tanh(x @ params['a/kernel']) * keep[None]
    return mlp(params, x) + hidden @ params['b/kernel'][:, :2]

  rules = {'b/kernel': 'one _', 'b/bias': '_', 'c/kernel': '_ _'}
  with pytest.raises(ValueError, match=r"'one' .*It draws random numbers"):
    symmetry.verify(apply, normal(MLP), mlp_spec(**rules), X)


def test_a_function_of_hidden_randomness_is_refused():
  rng = np.random.default_rng(0)
  traced = lambda p, x: mlp(p, x) * rng.normal()
  with pytest.raises(ValueError, match='another one each time it is traced'):
    symmetry.verify(traced, normal(MLP), mlp_spec(), X)

  def called(p, x):
    shape = jax.ShapeDtypeStruct((1, 1), x.dtype)
    draw = lambda: rng.normal(size=(1, 1)).astype(x.dtype)
    return mlp(p, x) * jax.pure_callback(draw, shape)

  with pytest.raises(ValueError, match='another output when it is called agai'):
    symmetry.verify(called, normal(MLP), mlp_spec(), X)


def test_what_shows_nothing_is_refused():
  spec, params = mlp_spec(), normal(MLP)
  with pytest.raises(ValueError, match="Leaf 'b/bias' has NaNs"):
    bad = params | {'b/bias': jnp.full(6, jnp.nan)}
    symmetry.verify(mlp, bad, spec, X)
  with pytest.raises(ValueError, match='Output 1 of the function has NaNs'):
    both = lambda p, x: (mlp(p, x), jnp.log(-jnp.abs(mlp(p, x))))
    symmetry.verify(both, params, spec, X)
  with pytest.raises(ValueError, match='All outputs are zero'):
    symmetry.verify(lambda p, x: 0 * mlp(p, x), params, spec, X)


def test_a_tree_of_another_model_is_refused():
  params = normal(MLP)
  spec = mlp_spec()
  with pytest.raises(ValueError, match=r"unexpected: \['d'\]"):
    symmetry.verify(mlp, params | {'d': jnp.ones(2)}, spec, X)
  with pytest.raises(ValueError, match=r'`seeds` and `tolerance` must be'):
    symmetry.verify(mlp, params, spec, X, seeds=0)


def places(missed):
  return {(m.leaf, m.axis, m.part) for m in missed}


def test_a_complete_specification_misses_nothing():
  assert symmetry.complete(mlp, normal(MLP), mlp_spec(), X) == ()
  params = normal(CONVOLUTIONS)
  spec = channels_spec(params)
  assert symmetry.complete(convolutions, params, spec, IMAGES) == ()


def test_what_several_leaves_share_is_found():
  rules = dict.fromkeys(['b/bias', 'c/kernel'], '...') | {'b/kernel': 'one _'}
  missed = symmetry.complete(mlp, normal(MLP), mlp_spec(**rules), X)
  assert places(missed) == {
    ('b/kernel', 1, 0),
    ('b/bias', 0, 0),
    ('c/kernel', 0, 0),
  }
  assert all(m.size == 6 for m in missed)


def test_an_axis_that_may_move_on_its_own_is_found():
  params = normal({'a': (3, 4, 2), 'unused': (4,)})
  apply = lambda p, x: jnp.tanh(x @ p['a'].max(1))
  spec = symmetry.from_rules(params, {}, rest='...')
  missed = symmetry.complete(apply, params, spec, X)
  assert missed == (symmetry.Missed('a', 1, 0, 4),)


def test_a_part_of_an_axis_is_found():
  params = normal(CONVOLUTIONS)
  rules = {'first': '... (2 c)', 'scale': '(2 c)', 'second': '_ _ (2 c) _'}
  spec = symmetry.from_rules(params, rules)
  missed = symmetry.complete(convolutions, params, spec, IMAGES)
  # The two groups have independent channels, so that alone they cannot swap.
  assert places(missed) == {('first', 3, 0), ('scale', 0, 0), ('second', 2, 0)}


def test_what_ends_in_an_output_is_not_found():
  params = normal({'in': (3, 4), 'up': (4, 6), 'down': (6, 4)})

  def apply(p, x):
    x = x @ p['in']
    return x + jnp.tanh(x @ p['up']) @ p['down']

  rules = {'up': '_ ff', 'down': 'ff _'}
  spec = symmetry.from_rules(params, rules, rest='...')
  assert symmetry.complete(apply, params, spec, X) == ()
