"""Methods that decompose kernels, and WIDEN, against NumPy."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import merging
from paramspace.merging import _polar
from paramspace.merging import _svd


def normal(seed, *shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def polar(x):
  u, _, v = np.linalg.svd(x, full_matrices=False)
  return u @ v


def merged(recipe, base, tuned):
  run = jax.jit(lambda base, tuned: merging.merge(base, tuned, recipe))
  return run(base, tuned)


ZERO = {
  'bias': jnp.zeros(6),
  'embedding': jnp.zeros((7, 3)),
  'kernel': jnp.zeros((8, 6)),
}


def model(seed, zero=ZERO):
  return {n: jnp.asarray(normal(seed, *x.shape)) for n, x in zero.items()}


TUNED = {'a': model(1), 'b': model(2)}


def test_tsv_keeps_a_share_of_each_models_rank_and_whitens_it():
  got = merged(merging.tsv(scale=0.5), ZERO, TUNED)
  parts = [
    np.linalg.svd(t['kernel'], full_matrices=False) for t in TUNED.values()
  ]
  u = polar(np.concatenate([u[:, :3] for u, _, _ in parts], 1))
  s = np.concatenate([s[:3] for _, s, _ in parts])
  v = polar(np.concatenate([v[:3] for _, _, v in parts], 0))
  np.testing.assert_allclose(got['kernel'], 0.5 * (u * s) @ v, atol=1e-5)
  np.testing.assert_allclose(
    np.linalg.svd(got['kernel'])[1], sorted(s / 2)[::-1], rtol=1e-4
  )
  for name in ('bias', 'embedding'):
    mean = (TUNED['a'][name] + TUNED['b'][name]) / 4
    np.testing.assert_allclose(got[name], mean, atol=1e-6)


def test_iso_c_has_the_singular_vectors_of_the_sum_and_one_value():
  got = merged(merging.iso_c(), ZERO, TUNED)
  total = np.asarray(TUNED['a']['kernel'] + TUNED['b']['kernel'])
  flat = np.linalg.svd(total)[1].mean()
  np.testing.assert_allclose(got['kernel'], flat * polar(total), atol=1e-5)
  np.testing.assert_allclose(
    got['bias'], (TUNED['a']['bias'] + TUNED['b']['bias']) / 2, atol=1e-6
  )


def test_iso_cts_adds_to_the_common_space_what_each_task_has_beside_it():
  """k = 4 of 6 are common, and each of two tasks adds one."""
  got = merged(merging.iso_cts(0.7, scale=0.5), ZERO, TUNED)
  deltas = [np.float64(t['kernel']) for t in TUNED.values()]
  triples = lambda x, k: [
    part[..., :k] if i < 2 else part[:k]
    for i, part in enumerate(np.linalg.svd(x, full_matrices=False))
  ]
  parts = [triples(sum(deltas), 4)]
  u = parts[0][0]
  parts += [triples(d - u @ u.T @ d, 1) for d in deltas]
  u, s, v = (
    np.concatenate(x, axis)
    for x, axis in zip(zip(*parts, strict=True), (1, 0, 0), strict=True)
  )
  expected = 0.5 * s.mean() * polar(u) @ polar(v)
  np.testing.assert_allclose(got['kernel'], expected, atol=1e-5)
  mean = (TUNED['a']['bias'] + TUNED['b']['bias']) / 4
  np.testing.assert_allclose(got['bias'], mean, atol=1e-6)


def test_iso_cts_with_all_in_common_is_iso_c():
  got = merged(merging.iso_cts(1.0), ZERO, TUNED)
  expected = merged(merging.iso_c(), ZERO, TUNED)
  for name in ZERO:
    np.testing.assert_allclose(got[name], expected[name], atol=1e-5)


@pytest.mark.parametrize('shape', [(4, 3), (3, 4)])
def test_the_polar_factor_has_a_gradient_where_singular_values_are_equal(shape):
  """Against differences, at a matrix whose singular values are all 2."""
  x = 2 * jnp.asarray(polar(normal(0, *shape)))
  toward, weights = jnp.asarray(normal(1, *shape)), normal(2, *shape)
  total = jax.jit(lambda x: jnp.sum(weights * _polar.factor(x)))
  slope = jax.jit(jax.grad(total))(x)
  ends = [total(x + step * toward) for step in (1e-2, -1e-2)]
  got = float(jnp.sum(slope * toward))
  np.testing.assert_allclose(got, (ends[0] - ends[1]) / 2e-2, rtol=5e-3)
  assert not jax.grad(total)(jnp.zeros(shape)).any()


@pytest.mark.parametrize('make', [merging.tsv, merging.iso_c])
def test_stacked_kernels_are_merged_layer_by_layer(make):
  base = {'kernel': jnp.zeros((2, 4, 3))}
  tuned = {
    n: {'kernel': jnp.asarray(normal(i, 2, 4, 3))} for i, n in enumerate('ab')
  }
  got = merged(make(stacked={'kernel': 1}), base, tuned)['kernel']
  for i in range(2):
    pick = lambda tree, i=i: {'kernel': tree['kernel'][i]}
    one = merged(make(), pick(base), {n: pick(t) for n, t in tuned.items()})
    np.testing.assert_allclose(got[i], one['kernel'], atol=1e-6)


def widened(base, rows, above=1.0):
  """WIDEN of vectors `[n, in, out]` that are the last axis, in loops."""
  n = len(rows)
  length = lambda x: np.sqrt((x * x).sum(-1))
  magnitude = np.abs(length(rows) - length(base))
  cosine = (rows * base).sum(-1) / (length(rows) * length(base))
  shares = 0.0
  for change in (magnitude, 1 - cosine):
    ranks = np.array([np.argsort(np.argsort(c)) for c in change])
    score = np.exp(ranks / len(base))
    score = score / score.sum(0)
    for i in range(n):
      score[i, ranks[i] > above * ranks[i].mean()] = 1.0
    shares = shares + score / 2
  return base + (shares[..., None] * (rows - base)).sum(0)


def test_widen_weighs_what_leaves_an_input_and_the_rows_of_an_embedding():
  base = model(0)
  got = merged(merging.widen(), base, TUNED)
  for name in ('embedding', 'kernel'):
    rows = np.stack([np.asarray(t[name], np.float64) for t in TUNED.values()])
    expected = widened(np.asarray(base[name], np.float64), rows)
    np.testing.assert_allclose(got[name], expected, atol=1e-5)


def test_a_column_of_zeros_is_no_number_less_for_widen():
  base = {'kernel': jnp.zeros((3, 2)).at[0].set(1.0)}
  tuned = {'a': {'kernel': jnp.ones((3, 2)).at[2].set(0.0)}, 'b': base}
  assert np.isfinite(merged(merging.widen(), base, tuned)['kernel']).all()


# OPCM.


def followed(method, base, models):
  update = jax.jit(method.update)
  state = method.init(base)
  for tuned in models:
    state = update(base, tuned, state)
  return state


def test_opcm_is_the_papers_recursion_with_full_bases():
  base, models = model(0), [model(i) for i in (1, 2, 3)]
  method = merging.opcm(alpha=0.8)
  got = method.value(base, followed(method, base, models))
  deltas = [
    {n: np.asarray(m[n], np.float64) - np.asarray(base[n]) for n in base}
    for m in models
  ]
  norm = lambda tree: np.sqrt(sum((x**2).sum() for x in tree.values()))
  total, scale, lengths = deltas[0], 1.0, [norm(deltas[0])]
  for delta in deltas[1:]:
    u, s, vt = np.linalg.svd(total['kernel'])
    r = np.argmax(np.cumsum(s) / s.sum() > 0.8)
    p = u.T @ delta['kernel'] @ vt.T
    np.fill_diagonal(p, 0)
    p[:r, :r] = 0
    assert r > 1
    new = delta | {'kernel': u @ p @ vt}
    lengths.append(norm(delta))
    total = {n: scale * total[n] + new[n] for n in base}
    scale = norm(total) / np.mean(lengths)
    total = {n: x / scale for n, x in total.items()}
  for n in base:
    np.testing.assert_allclose(got[n], base[n] + total[n], atol=1e-5)


def test_opcm_returns_the_first_model_and_the_base_before():
  base, first = model(0), model(1)
  method = merging.opcm()
  before = method.value(base, method.init(base))
  jax.tree.map(np.testing.assert_array_equal, before, base)
  got = method.value(base, followed(method, base, [first]))
  for n in base:
    np.testing.assert_allclose(got[n], first[n], atol=1e-6)


def test_the_memory_of_opcm_does_not_grow_and_its_order_counts():
  base, models = model(0), [model(i) for i in (1, 2, 3)]
  method = merging.opcm()
  state = followed(method, base, models)
  shapes = lambda s: jax.tree.map(lambda x: (x.shape, x.dtype), s)
  assert shapes(state) == shapes(method.init(base))
  other = followed(method, base, models[::-1])
  a, b = (method.value(base, s)['kernel'] for s in (state, other))
  assert not np.allclose(a, b, atol=1e-2)


def test_opcm_is_traced_where_numbers_have_64_bits():
  method = merging.opcm()

  def run(base):
    state = method.update(base, base, method.init(base))
    return method.value(base, method.update(base, base, state))

  with jax.enable_x64(True):
    for dtype in jnp.bfloat16, jnp.float32, jnp.float64:
      base = {'w': jnp.ones((3, 2), dtype)}
      assert jax.eval_shape(run, base)['w'].dtype == dtype


def test_models_that_did_not_move_leave_opcm_at_the_base():
  base = model(0)
  method = merging.opcm()
  got = method.value(base, followed(method, base, [base, base]))
  jax.tree.map(np.testing.assert_array_equal, got, base)


@pytest.mark.parametrize('alpha', [-0.1, 1.0, True])
def test_alpha_is_a_share_below_one(alpha):
  with pytest.raises(ValueError, match=r'must lie in \[0, 1\), got'):
    merging.opcm(alpha)


# PCB, leaf by leaf.


@pytest.mark.parametrize('version', ['paper', 'vision'])
def test_pcb_is_its_formula(version):
  rows = np.asarray([normal(i, 300) for i in range(3)], np.float64)
  base = {'w': jnp.zeros(300)}
  tuned = {
    f'{i}': {'w': jnp.asarray(x, jnp.float32)} for i, x in enumerate(rows)
  }
  recipe = merging.pcb(0.2, version=version, scope='leaf')
  got = merged(recipe, base, tuned)['w']
  tail = {'paper': 0.0001, 'vision': 0.01}[version]
  ordered = np.sort(np.abs(rows), 1)
  low = ordered[:, max(int(tail * 300), 1) - 1, None]
  high = ordered[:, int((1 - tail) * 300) - 1, None]
  clipped = np.clip(np.abs(rows), low, high)
  size = (clipped - low) / (high - low)
  signed = np.sign(rows) * size
  between = {
    'paper': np.tanh(rows * rows.sum(0)),
    'vision': sum(np.tanh(signed * other) for other in signed),
  }[version]
  score = np.exp(3 * size**2) * between
  least = np.sort(score, 1)[:, 300 - 60 - 1, None]
  kept = np.maximum(score, least) - least
  kept = kept / kept.max(1, keepdims=True)
  expected = (np.sign(rows) * clipped * kept).sum(0) / np.maximum(
    kept.sum(0), 1e-12
  )
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


MANY_LEAVES = """
import jax, jax.numpy as jnp
from paramspace import merging

key = jax.random.key(0)
base = {f'{i}/kernel': jnp.zeros((32, 32)) for i in range(6)}
draw = lambda i, x: jax.random.normal(jax.random.fold_in(key, i), x.shape)
tuned = {
  m: jax.tree.map(lambda x: draw(ord(m), x), base) for m in 'abcdef'
}
recipe = merging.tsv()
for _ in range(5):
  jax.block_until_ready(merging.merge(base, tuned, recipe))
"""


def test_the_decompositions_of_several_leaves_do_not_wait_for_each_other():
  # On two threads, batches of them did so in the first of these merges.
  subprocess.run([sys.executable, '-c', MANY_LEAVES], check=True, timeout=120)


def test_a_decomposition_under_vmap_is_that_of_each():
  x = jax.random.normal(jax.random.key(0), (2, 3, 5, 4))
  u, s, v = jax.jit(jax.vmap(_svd.svd))(x)
  assert (u.shape, s.shape, v.shape) == ((2, 3, 5, 4), (2, 3, 4), (2, 3, 4, 4))
  np.testing.assert_allclose(u * s[..., None, :] @ v, x, atol=1e-5)
