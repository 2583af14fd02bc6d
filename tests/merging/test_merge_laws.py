"""What every merge keeps."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_all_methods as methods

from paramspace import merging
from paramspace import trees


def named(names):
  """Marks `sce`: what it takes near the k-th variance is for the last bit."""
  return [
    pytest.param(name, marks=pytest.mark.optimized) if name == 'sce' else name
    for name in names
  ]


every_merge = pytest.mark.parametrize('name', named(methods.MERGES))


def make_model(seed, dtype=jnp.float32):
  """All values are numbers of bfloat16, so their differences are exact."""
  shapes = {'Dense_0/kernel': (8, 4), 'scale': ()}
  draws = {
    n: jax.random.normal(jax.random.key(9 * seed + i), s, jnp.bfloat16)
    for i, (n, s) in enumerate(shapes.items())
  }
  return {n: x.astype(dtype) for n, x in draws.items()} | {
    'step': jnp.array([3, 4])
  }


def tuned_for(name, dtype=jnp.float32):
  return {
    f'm{i}': make_model(i, dtype)
    for i in range(1, methods.MERGES[name].models + 1)
  }


def merged(name, recipe, origin, tuned, by_model=None):
  """Merges, with the statistics and the key that the row needs."""
  known = methods.MERGES[name].known
  wide = lambda tree: {
    n: trees.widen(x) for n, x in methods.weights(tree).items()
  }
  return merging.merge(
    origin,
    tuned,
    recipe,
    weights=by_model,
    statistics=known and {m: known(wide(tree)) for m, tree in tuned.items()},
    key=methods.KEY,
  )


@functools.cache
def merged_at_once(name):
  """Returns a compiled merge, and what it makes of the models of the row."""
  recipe = methods.MERGES[name].make()
  run = methods.compiled(functools.partial(merged, name, recipe))
  return run, run(make_model(0), tuned_for(name))


@pytest.mark.parametrize(
  'name',
  named(n for n, row in methods.MERGES.items() if row.full is not None),
)
def test_one_model_at_full_density_is_returned(name):
  row, model = methods.MERGES[name], make_model(1)
  run = methods.compiled(functools.partial(merged, name, row.full()))
  got = run(make_model(0), {'a': model})
  if not row.error:
    chex.assert_trees_all_equal(got, model)
  chex.assert_trees_all_close(got, model, rtol=0, atol=row.error)
  chex.assert_trees_all_equal_dtypes(got, model)


@every_merge
def test_models_of_bfloat16_are_merged_in_float32_and_cast_once(name):
  """With a leaf more, where leaves are merged on their own."""
  run, out = merged_at_once(name)
  more = lambda tree: (
    {'A': tree['scale'] * jnp.arange(8, dtype=jnp.bfloat16)} | tree
    if methods.MERGES[name].own
    else tree
  )
  narrow = make_model(0, jnp.bfloat16)
  tuned = tuned_for(name, jnp.bfloat16)
  got = run(more(narrow), {m: more(tree) for m, tree in tuned.items()})
  got.pop('A', None)
  chex.assert_trees_all_equal(got, trees.cast(out, narrow))
  chex.assert_trees_all_equal_dtypes(got, narrow)


@every_merge
def test_a_sharded_merge_is_the_same_and_its_gradient_is_right(name):
  row, tuned = methods.MERGES[name], tuned_for(name)
  _, out = merged_at_once(name)
  recipe = row.make()
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((8,), ('devices',), axis_types=auto)
  place = lambda x: jax.device_put(
    x,
    jax.NamedSharding(
      mesh, jax.P('devices') if x.ndim and x.shape[0] % 8 == 0 else jax.P()
    ),
  )

  def total(coefficients, origin, tuned):
    scale, by_model = coefficients
    scaled = recipe._replace(scale=recipe.scale * scale)
    theta = merged(name, scaled, origin, tuned, by_model)
    return sum(
      jnp.sum(jnp.sin(x)) for x in methods.weights(theta).values()
    ), theta

  run = methods.compiled(jax.value_and_grad(total, has_aux=True))
  origin, spread = jax.tree.map(place, (make_model(0), tuned))
  # In NumPy: arrays that lie elsewhere would be another program.
  plain = functools.partial(jax.tree.map, np.float32)
  start = plain((1.0, dict.fromkeys(tuned, 1.0) if row.weighted else None))
  (_, theta), slope = run(start, origin, spread)
  chex.assert_trees_all_close(theta, out, atol=5e-6)
  toward = plain(jax.tree.map(lambda x: -1e-2 if x < 0 else 1e-2, slope))
  move = lambda sign: jax.tree.map(lambda x, v: x + sign * v, start, toward)
  ends = [run(move(sign), origin, spread)[0][0] for sign in (1, -1)]
  expected = sum(abs(x) for x in jax.tree.leaves(slope)) * 2e-2
  np.testing.assert_allclose(ends[0] - ends[1], expected, rtol=2e-2, atol=1e-4)
  _, slope = run(start, origin, dict.fromkeys(tuned, origin))
  assert all(np.isfinite(x) for x in jax.tree.leaves(slope)), 'deltas of 0'


@pytest.mark.parametrize(
  'name',
  named(n for n in methods.MERGES if not n.startswith(('dare', 'della'))),
)
def test_models_that_change_names_merge_to_the_same(name):
  """But for those that draw by name."""
  run, out = merged_at_once(name)
  names, models = zip(*tuned_for(name).items(), strict=True)
  turned = dict(zip(names, (*models[1:], models[0]), strict=True))
  got = run(make_model(0), turned)
  chex.assert_trees_all_close(got, out, rtol=1e-5, atol=1e-5)


@every_merge
def test_models_that_did_not_move_merge_to_the_base(name):
  run, _ = merged_at_once(name)
  origin = make_model(0)
  still = run(origin, dict.fromkeys(tuned_for(name), origin))
  chex.assert_trees_all_close(still, origin, rtol=2e-6, atol=0)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32', 'float64'])
@every_merge
def test_a_merge_is_traced_where_numbers_have_64_bits(name, dtype):
  with jax.enable_x64(True):
    run = functools.partial(merged, name, methods.MERGES[name].make())
    base, tuned = make_model(0, dtype), tuned_for(name, dtype)
    out = jax.eval_shape(run, base, tuned)
    chex.assert_trees_all_equal_shapes_and_dtypes(out, base)


@every_merge
def test_a_recipe_is_its_text(name):
  recipe = methods.MERGES[name].make()
  assert merging.loads(merging.dumps(recipe)).config == recipe.config
