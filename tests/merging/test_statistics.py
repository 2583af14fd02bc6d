"""Methods that know more of a model than its weights."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging


def normal(seed, *shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# Fisher.


def test_the_exact_fisher_is_the_sum_over_examples_and_classes():
  apply = lambda params, x: jax.nn.log_softmax(
    jnp.tanh(x @ params['a']) @ params['b']
  )
  params = {
    'a': jnp.asarray(normal(0, 3, 4)),
    'b': jnp.asarray(normal(1, 4, 5)),
    'step': jnp.array(3),
  }
  x = jnp.asarray(normal(2, 7, 3))
  got = jax.jit(
    lambda params, x: merging.fisher_diagonal(apply, params, x, batch=3)
  )(params, x)
  assert got.keys() == {'a', 'b'}
  floating = {n: params[n] for n in 'ab'}
  log_prob = lambda leaves, x, c: apply(leaves | {'step': 3}, x)[c]
  slope = jax.jit(jax.grad(log_prob))
  expected = {n: 0.0 for n in 'ab'}
  for row in x:
    for c, p in enumerate(jnp.exp(apply(params, row))):
      rows = slope(floating, row, c)
      for n in 'ab':
        expected[n] += float(p) * np.asarray(rows[n], np.float64) ** 2 / len(x)
  for n in 'ab':
    np.testing.assert_allclose(got[n], expected[n], rtol=1e-4)


def test_the_empirical_fisher_takes_the_labels_that_are_there():
  def log_prob(params, example):
    x, y = example
    return -0.5 * (y - x @ params['w']) ** 2

  x, y = jnp.asarray(normal(0, 5, 2)), jnp.asarray(normal(1, 5))
  params = {'w': jnp.asarray(normal(2, 2))}
  got = merging.fisher_diagonal(log_prob, params, (x, y), kind='empirical')
  error = np.asarray(y - x @ params['w'])[:, None]
  np.testing.assert_allclose(
    got['w'], np.mean((error * np.asarray(x)) ** 2, 0), rtol=1e-5
  )


@pytest.mark.parametrize('normalize', [False, True])
def test_equal_fishers_give_the_average(normalize):
  base = {'w': jnp.asarray(normal(0, 6))}
  tuned = {n: {'w': jnp.asarray(normal(i, 6))} for i, n in enumerate('abc')}
  known = {'w': jnp.asarray(normal(9, 6) ** 2)}
  got = merging.merge(
    base,
    tuned,
    merging.fisher(normalize=normalize),
    statistics=dict.fromkeys('abc', known),
  )
  expected = np.mean([t['w'] for t in tuned.values()], 0)
  np.testing.assert_allclose(got['w'], expected, atol=1e-6)


def test_a_normalised_fisher_has_no_scale():
  base = {'v': jnp.zeros(3), 'w': jnp.zeros(6)}
  draw = lambda seed: {
    'v': jnp.asarray(normal(seed, 3)),
    'w': jnp.asarray(normal(seed + 1, 6)),
  }
  tuned = {'a': draw(0), 'b': draw(2)}
  known = {
    n: jax.tree.map(jnp.square, draw(i)) for i, n in ((4, 'a'), (6, 'b'))
  }
  steep = known | {'b': jax.tree.map(lambda x: 50 * x, known['b'])}
  run = lambda known: merging.merge(
    base, tuned, merging.fisher(floor=0.0), statistics=known
  )
  for name in base:
    np.testing.assert_allclose(
      run(known)[name], run(steep)[name], rtol=1e-5, atol=1e-6
    )


def test_linear_gaussian_models_merge_to_the_posterior_of_all_data():
  """Each posterior is exact, as the inputs are orthogonal."""
  known, tuned, xs, ys = {}, {}, [], []
  for i, name in enumerate('abc'):
    q, _ = np.linalg.qr(normal(i, 12, 4))
    x = q * np.array([1.0, 2.0, 0.5, 3.0]) * (i + 1)
    y = normal(10 + i, 12)
    w = np.linalg.solve(x.T @ x, x.T @ y)
    tuned[name] = {'w': jnp.asarray(w, jnp.float32)}
    known[name] = {'w': jnp.asarray(np.diag(x.T @ x), jnp.float32)}
    xs.append(x)
    ys.append(y)
  x, y = np.concatenate(xs), np.concatenate(ys)
  got = merging.merge(
    {'w': jnp.zeros(4)},
    tuned,
    merging.fisher(normalize=False),
    statistics=known,
  )
  expected = np.linalg.lstsq(x, y, rcond=None)[0]
  np.testing.assert_allclose(got['w'], expected, rtol=1e-5, atol=1e-6)


def test_where_no_model_knows_anything_fisher_is_the_average():
  zeros = {'w': jnp.zeros(2)}
  tuned = {'a': {'w': jnp.ones(2)}, 'b': {'w': jnp.full(2, 3.0)}}
  for floor in 0.0, 1e-6:
    got = merging.merge(
      zeros,
      tuned,
      merging.fisher(floor),
      statistics={'a': zeros, 'b': zeros},
    )
    np.testing.assert_allclose(got['w'], [2.0, 2.0], rtol=1e-6)


def test_what_is_no_log_probability_is_refused():
  params, x = {'w': jnp.ones(2)}, jnp.ones((3, 2))
  scalar = lambda params, x: x @ params['w']
  with pytest.raises(ValueError, match=r'those of the classes, got shape \[\]'):
    merging.fisher_diagonal(scalar, params, x)
  with pytest.raises(ValueError, match=r'a scalar, got shape \[2\]'):
    rows = lambda params, x: x * params['w']
    merging.fisher_diagonal(rows, params, x, kind='empirical')
  with pytest.raises(ValueError, match=r"must be one of .* got 'sampled'"):
    merging.fisher_diagonal(scalar, params, x, kind='sampled')
  with pytest.raises(ValueError, match='one number of examples'):
    merging.fisher_diagonal(scalar, params, (x, x[:2]))


# RegMean.


def test_regmean_is_least_squares_on_the_outputs_of_linear_models():
  xs = {n: normal(i, 40, 5) for i, n in enumerate('abc')}
  tuned = {n: {'kernel': normal(10 + i, 5, 3)} for i, n in enumerate('abc')}
  base = {'kernel': normal(20, 5, 3)}
  got = jax.jit(
    lambda base, tuned, xs: merging.merge(
      base,
      tuned,
      merging.regmean(off_diagonal=1.0),
      statistics={n: merging.grams({'kernel': x}) for n, x in xs.items()},
    )
  )(base, tuned, xs)
  x = np.concatenate(list(xs.values()))
  y = np.concatenate([xs[n] @ tuned[n]['kernel'] for n in xs])
  expected = np.linalg.lstsq(x, y, rcond=None)[0]
  np.testing.assert_allclose(got['kernel'], expected, atol=1e-5)


def test_without_off_diagonals_a_row_goes_to_who_uses_its_input():
  base = {'kernel': jnp.zeros((2, 1))}
  tuned = {
    'a': {'kernel': jnp.ones((2, 1))},
    'b': {'kernel': -jnp.ones((2, 1))},
  }
  grams = {
    'a': {'kernel': jnp.array([[3.0, 9.0], [9.0, 0.0]])},
    'b': {'kernel': jnp.array([[1.0, 9.0], [9.0, 2.0]])},
  }
  recipe = merging.regmean(off_diagonal=0.0, ridge=0.0)
  got = merging.merge(base, tuned, recipe, statistics=grams)
  np.testing.assert_allclose(got['kernel'].ravel(), [0.5, -1.0], rtol=1e-6)


def test_inputs_that_never_come_keep_the_average():
  base = {'kernel': jnp.zeros((3, 2)), 'bias': jnp.zeros(2)}
  draw = lambda seed: {'kernel': normal(seed, 3, 2), 'bias': normal(seed, 2)}
  tuned = {'a': draw(0), 'b': draw(1)}
  for gram in jnp.zeros((3, 3)), jnp.diag(jnp.array([1.0, 1.0, 0.0])):
    got = merging.merge(
      base,
      tuned,
      merging.regmean(),
      statistics={n: {'kernel': gram} for n in 'ab'},
    )
    for name in base:
      mean = (tuned['a'][name] + tuned['b'][name]) / 2
      np.testing.assert_allclose(got[name], mean, atol=1e-6)


def test_stacked_layers_are_solved_one_by_one():
  xs = {n: normal(i, 2, 30, 4) for i, n in enumerate('ab')}
  tuned = {n: {'kernel': normal(5 + i, 2, 4, 3)} for i, n in enumerate('ab')}
  gram = lambda x: np.stack([merging.grams({'w': row})['w'] for row in x])
  known = {n: {'kernel': gram(x)} for n, x in xs.items()}
  recipe = merging.regmean(1.0, stacked={'kernel': 1})
  base = {'kernel': np.zeros((2, 4, 3), np.float32)}
  got = merging.merge(base, tuned, recipe, statistics=known)
  for layer in range(2):
    one = merging.merge(
      {'kernel': base['kernel'][layer]},
      {n: {'kernel': t['kernel'][layer]} for n, t in tuned.items()},
      merging.regmean(1.0),
      statistics={n: {'kernel': k['kernel'][layer]} for n, k in known.items()},
    )
    np.testing.assert_allclose(got['kernel'][layer], one['kernel'], atol=1e-6)


def test_rows_that_are_masked_do_not_count():
  x = normal(0, 3, 4, 2)
  mask = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
  got = merging.grams({'w': jnp.asarray(x)}, jnp.asarray(mask))['w']
  rows = x[mask == 1]
  np.testing.assert_allclose(got, rows.T @ rows / 6, rtol=1e-5, atol=1e-6)
  with pytest.raises(ValueError, match=r"inputs of 'w' have \[3, 4, 2\]"):
    merging.grams({'w': jnp.asarray(x)}, jnp.ones(3))


class Model(nn.Module):
  """Dense layers, attention, a convolution, a remat and a tied embedding."""

  @nn.compact
  def __call__(self, tokens):
    embed = nn.Embed(11, 8)
    x = embed(tokens)
    x = nn.relu(nn.Conv(8, (3,))(x))
    x = x + nn.MultiHeadDotProductAttention(num_heads=2)(x)
    self.sow('intermediates', 'into_dense', x)
    x = nn.remat(nn.Dense)(6, name='Dense_0')(x)
    x = nn.silu(x)
    self.sow('intermediates', 'into_last', x)
    return nn.Dense(8, dtype=jnp.bfloat16, name='Dense_1')(x)


TOKENS = jnp.arange(10).reshape(2, 5)
LEVEL = {'xla_backend_optimization_level': 0}  # Half the time to compile.
FAST = functools.partial(jax.jit, compiler_options=LEVEL)


def apply(params, tokens):
  return Model().apply({'params': params}, tokens)


def drawn(seed):
  """Returns the parameters of a model."""
  init = jax.eval_shape(Model().init, jax.random.key(0), TOKENS)
  rng = np.random.default_rng(seed)
  draw = lambda x: rng.normal(size=x.shape).astype(np.float32) / 2
  return jax.tree.map(draw, init['params'])


def test_the_inputs_of_every_layer_are_found_in_the_program():
  @FAST
  def run(params, tokens):
    _, seen = Model().apply({'params': params}, tokens, mutable='intermediates')
    return merging.layer_inputs(apply, params, tokens), seen['intermediates']

  got, seen = run(drawn(0), TOKENS)
  attention = 'MultiHeadDotProductAttention_0'
  parts = ('key', 'out', 'query', 'value')
  assert set(got) == {
    'Dense_0/kernel',
    'Dense_1/kernel',
    *(f'{attention}/{part}/kernel' for part in parts),
  }
  assert got[f'{attention}/out/kernel'].shape == (2, 5, 8)
  for name, x in (('Dense_0', 'into_dense'), ('Dense_1', 'into_last')):
    np.testing.assert_allclose(
      got[f'{name}/kernel'], seen[x][0], rtol=1e-2, atol=1e-2
    )


def test_grams_of_a_flax_model_are_the_statistics_of_its_merge():
  base, a, b = map(drawn, range(3))

  @FAST
  def run(base, tuned):
    grams = {
      n: merging.grams(merging.layer_inputs(apply, params, TOKENS))
      for n, params in tuned.items()
    }
    return merging.merge(base, tuned, merging.regmean(), statistics=grams)

  got = run(base, {'a': a, 'b': b})
  mean = jax.tree.map(lambda x, y: (x + y) / 2, a, b)
  same = jax.tree.map(lambda x, y: np.allclose(x, y, atol=1e-4), got, mean)
  assert same['Conv_0'] == {'bias': True, 'kernel': True}
  assert same['Embed_0'] == {'embedding': True}
  assert same['Dense_0'] == {'bias': True, 'kernel': False}
  attention = same['MultiHeadDotProductAttention_0']
  assert attention['query'] == {'bias': True, 'kernel': False}
  assert attention['out'] == {'bias': True, 'kernel': False}
