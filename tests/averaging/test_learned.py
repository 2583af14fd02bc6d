import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramspace.averaging import _learned
from paramspace.averaging import _soups

KEY = jax.random.key(0)


def model(seed):
  one, two = jax.random.split(jax.random.fold_in(KEY, seed))
  return {
    'w': jax.random.normal(one, (3, 2)),
    'b': jax.random.normal(two, (2,)),
    'step': jnp.array(7),
  }


MODELS = [model(k) for k in range(4)]
BATCH = (
  jax.random.normal(jax.random.fold_in(KEY, 10), (16, 3)),
  jax.random.normal(jax.random.fold_in(KEY, 11), (16, 2)),
)


def loss(params, batch):
  x, y = batch
  assert params['step'].shape == ()
  return jnp.mean((jnp.tanh(x @ params['w'] + params['b'][None]) - y) ** 2)


def oracle(z, scope):
  """The loss at logits, in float64."""
  alpha = {n: np.exp(row) / np.exp(row).sum() for n, row in z.items()}
  at = lambda n: sum(
    a * np.asarray(m[n], np.float64)
    for a, m in zip(alpha[n if scope == 'leaf' else ''], MODELS, strict=True)
  )
  x, y = (np.asarray(v, np.float64) for v in BATCH)
  return np.mean((np.tanh(x @ at('w') + at('b')) - y) ** 2)


@pytest.mark.parametrize('scope', ['leaf', 'tree'])
def test_the_gradient_is_that_of_finite_differences(scope):
  soup = _learned.learned_soup(MODELS, loss, [BATCH], optax.sgd(1.0), scope)
  rows = ('w', 'b') if scope == 'leaf' else ('',)
  zero = {row: np.zeros(4) for row in rows}
  np.testing.assert_allclose(soup.losses, [oracle(zero, scope)], rtol=1e-6)
  for name, alpha in soup.coefficients.items():
    row = name if scope == 'leaf' else ''
    want = []
    for unit in np.eye(4):
      ends = [oracle(zero | {row: h * unit}, scope) for h in (1e-5, -1e-5)]
      want.append((ends[0] - ends[1]) / 2e-5)
    # One step of descent from zero: z = -gradient, which sums to zero.
    z = np.log(np.asarray(alpha, np.float64))
    np.testing.assert_allclose(-(z - z.mean()), want, atol=2e-6)


@pytest.mark.parametrize('scope', ['leaf', 'tree'])
def test_the_soup_is_the_sum_that_its_coefficients_say(scope):
  soup = _learned.learned_soup(MODELS, loss, [BATCH] * 20, scope=scope)
  for name, alpha in soup.coefficients.items():
    np.testing.assert_allclose(alpha.sum(), 1, rtol=1e-6)
    want = sum(a * m[name] for a, m in zip(alpha, MODELS, strict=True))
    np.testing.assert_allclose(soup.params[name], want, atol=1e-6)
  chex.assert_trees_all_equal_shapes_and_dtypes(soup.params, MODELS[0])
  assert soup.params['step'] == 7
  equal = jnp.array_equal(soup.coefficients['w'], soup.coefficients['b'])
  assert equal == (scope == 'tree')
  assert soup.losses[-1] < soup.losses[0]


def test_it_starts_at_the_uniform_soup():
  soup = _learned.learned_soup(MODELS, loss, [BATCH], optax.sgd(0.0))
  chex.assert_trees_all_close(
    soup.params, _soups.uniform_soup(MODELS), atol=1e-6
  )


def test_one_model_is_what_it_was():
  soup = _learned.learned_soup(MODELS[:1], loss, [BATCH] * 3)
  chex.assert_trees_all_equal(soup.params, MODELS[0])


def test_other_orders_of_the_models_give_the_same_soup():
  order = [2, 0, 3, 1]
  run = lambda models: _learned.learned_soup(
    models, loss, [BATCH] * 10, optax.sgd(0.5)
  )
  one, two = run(MODELS), run([lambda k=k: MODELS[k] for k in order])
  chex.assert_trees_all_close(one.params, two.params, atol=1e-6)
  for name, alpha in one.coefficients.items():
    got = two.coefficients[name]
    np.testing.assert_allclose(got, alpha[np.array(order)], atol=1e-6)


def test_narrow_models_are_mixed_in_float32():
  narrow = [{n: m[n].astype(jnp.bfloat16) for n in ('w', 'b')} for m in MODELS]
  loss = lambda params, _: jnp.sum(params['w']).astype(jnp.float32)
  soup = _learned.learned_soup(narrow, loss, [0], optax.sgd(0.0))
  want = np.mean([np.asarray(m['w'], np.float64) for m in narrow], 0)
  chex.assert_trees_all_equal(
    soup.params['w'], jnp.asarray(want, jnp.float32).astype(jnp.bfloat16)
  )


def test_it_is_compiled_once():
  traced = []

  def counted(params, batch):
    traced.append(batch)
    return loss(params, batch)

  _learned.learned_soup(MODELS, counted, [BATCH] * 5)
  assert len(traced) == 1


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda f: f([], loss, [BATCH]), 'one tree at least'),
    (lambda f: f(MODELS, loss, []), '`batches` is empty'),
    (lambda f: f(MODELS, loss, [BATCH], scope='layer'), "got 'layer'"),
    (lambda f: f([MODELS[0], {'w': 1.0}], loss, [BATCH]), 'Missing'),
    (
      lambda f: f(MODELS, lambda p, k: p['b'][0] / k, [1.0, 0.0]),
      'loss of batch 1 is -?inf',
    ),
  ],
)
def test_bad_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call(_learned.learned_soup)
