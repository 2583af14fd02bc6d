import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import probes
from paramspace import trees

SHAPES = {'kernel': (12, 5), 'bias': (5,), 'scale': ()}


def make_model(seed, dtype=jnp.float32, shift=0.0):
  normal = np.random.default_rng(seed).normal
  tree = {n: jnp.asarray(normal(shift, 1, s), dtype) for n, s in SHAPES.items()}
  return tree | {'step': jnp.array(3)}


MODELS = [make_model(seed) for seed in range(4)]


def squares(params, models):
  """The squared distances to each of the models."""
  leaves = trees.floating(params)
  return [
    sum(
      jnp.sum((trees.widen(x) - trees.widen(model[n])) ** 2)
      for n, x in leaves.items()
    )
    for model in models
  ]


def distances(models):
  """In float64."""
  flat = [
    np.concatenate(
      [np.asarray(x, np.float64).ravel() for x in trees.floating(m).values()]
    )
    for m in models
  ]
  return np.array([[np.linalg.norm(x - y) for x in flat] for y in flat])


@pytest.mark.parametrize('shift', [0.0, 30.0])
def test_coordinates_have_the_distances_of_the_models(shift):
  """Also where the models are far from zero and from one another."""
  models = [make_model(k, shift=k * shift) for k in range(3)]
  found = probes.plane(squares, *models, steps=2, data=models[:1])
  at = np.asarray(found.models, np.float64)
  got = np.linalg.norm(at[:, None] - at[None], axis=-1)
  np.testing.assert_allclose(got, distances(models), rtol=3e-6)
  assert at[0].tolist() == [0, 0] and at[1, 1] == 0 and at[2, 1] > 0


def test_every_point_of_the_map_is_as_far_from_the_models_as_on_it():
  found = probes.plane(squares, *MODELS[:3], steps=6, data=MODELS[:3])
  x, y = np.meshgrid(found.x, found.y)
  for values, (at_x, at_y) in zip(found.values, found.models, strict=True):
    expected = (x - at_x) ** 2 + (y - at_y) ** 2
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)


def same(params, models):
  return [
    jnp.stack([(x == model[n]).all() for n, x in params.items()]).all()
    for model in models
  ]


@pytest.mark.optimized
def test_the_models_themselves_are_measured_to_the_bit():
  found = probes.plane(same, *MODELS[:3], steps=2, data=MODELS[:3])
  np.testing.assert_array_equal(found.at_models, np.eye(3, dtype=bool))


def test_points_at_the_coordinates_of_models_have_their_losses():
  a, b, c = MODELS[:3]
  loss = lambda params: jnp.sum(jnp.sin(params['kernel'])) + params['scale']
  # Without a margin, corners of the grid are a and b, and c is on the far edge.
  found = probes.plane(loss, a, b, c, steps=2, margin=0.0)
  at = np.asarray(found.models)
  assert 0 < at[2, 0] < at[1, 0], 'a triangle that hangs over neither end'
  np.testing.assert_allclose(found.values[0], [loss(a), loss(b)], rtol=1e-4)
  np.testing.assert_allclose(
    found.at_models, [loss(model) for model in (a, b, c)], rtol=1e-5
  )
  assert found.y[1] == at[2, 1]


def test_the_margin_is_a_share_of_what_the_models_extend_over():
  found = probes.plane(squares, *MODELS[:3], margin=0.5, data=MODELS[:1])
  for k, axis in enumerate((found.x, found.y)):
    low, high = np.min(found.models[:, k]), np.max(found.models[:, k])
    ends = [1.5 * low - 0.5 * high, 1.5 * high - 0.5 * low]
    np.testing.assert_allclose([axis[0], axis[-1]], ends, rtol=1e-5)
    assert len(axis) == 25
  assert found.settings['margin'] == 0.5


def test_bfloat16_models_have_distances_in_float32():
  models = [make_model(k, jnp.bfloat16) for k in range(3)]
  found = probes.plane(squares, *models, steps=2, data=models[:1])
  at = np.asarray(found.models, np.float64)
  got = np.linalg.norm(at[:, None] - at[None], axis=-1)
  np.testing.assert_allclose(got, distances(models), rtol=3e-6)
  assert found.at_models[0][0] == 0


def test_a_plane_is_drawn_under_jit():
  draw = lambda a, b, c: probes.plane(squares, a, b, c, steps=3, data=[a])
  plain, traced = draw(*MODELS[:3]), jax.jit(draw)(*MODELS[:3])
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5),
    plain,
    traced,
  )


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'b': MODELS[0]}, 'the distance of a and b is 0'),
    ({'c': MODELS[0]}, 'away from the line through a and b'),
    (
      {'c': jax.tree.map(lambda x, y: 2 * y - x, *MODELS[:2])},
      'away from the line through a and b',
    ),
    ({'c': MODELS[2] | {'scale': jnp.array(jnp.nan)}}, 'c is nan away'),
    ({'c': MODELS[2] | {'bias': jnp.ones(4)}}, "c, beside a: leaf 'bias'"),
    ({'margin': -0.1}, '`margin` must be 0 or more, got -0.1'),
  ],
)
def test_models_that_span_no_plane_are_refused(change, message):
  given = dict(zip('abc', MODELS, strict=False)) | {'data': MODELS[:1]}
  with pytest.raises(ValueError, match=message):
    probes.plane(squares, **(given | change))


# Simplices.


@pytest.mark.optimized
def test_vertices_of_a_simplex_are_the_models_to_the_bit():
  found = probes.simplex(same, MODELS, steps=3, data=MODELS)
  is_vertex = np.asarray(found.weights) == 1
  np.testing.assert_array_equal(np.stack(found.values, axis=1), is_vertex)
  assert is_vertex.sum(0).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(('n', 'steps'), [(3, 5), (4, 4), (5, 2)])
def test_a_grid_has_every_combination_once(n, steps):
  weights = np.asarray(
    probes.simplex(
      lambda params: params['w'],
      [{'w': jnp.array(float(k))} for k in range(n)],
      steps=steps,
    ).weights
  )
  counts = np.round(weights * (steps - 1)).astype(int)
  assert (counts >= 0).all() and (counts.sum(1) == steps - 1).all()
  number = math.comb(steps + n - 2, n - 1)
  assert len({*map(tuple, counts)}) == len(counts) == number
  np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)


def test_an_edge_of_a_simplex_is_the_line_of_its_models():
  loss = lambda params: jnp.sum(jnp.sin(params['kernel']) ** 2)
  found = probes.simplex(loss, MODELS[:3], steps=5)
  edge = np.asarray(found.weights)[:, 1] == 0
  line = probes.line(loss, MODELS[0], MODELS[2], steps=5)
  np.testing.assert_array_equal(found.weights[edge][:, 2], line.t)
  np.testing.assert_allclose(found.values[edge], line.values, rtol=1e-5)


def test_inside_a_simplex_are_weighted_means():
  found = probes.simplex(lambda params: params['scale'], MODELS[:3], steps=4)
  scales = [float(model['scale']) for model in MODELS[:3]]
  np.testing.assert_allclose(
    found.values, found.weights @ jnp.array(scales), rtol=1e-5, atol=1e-6
  )


def test_models_that_span_no_simplex_are_refused():
  metric = lambda params: params['scale']
  with pytest.raises(ValueError, match='three models or more, got 2'):
    probes.simplex(metric, MODELS[:2])
  wrong = MODELS[2] | {'step': jnp.array(4)}
  with pytest.raises(ValueError, match="model 2, beside model 0: leaf 'step'"):
    probes.simplex(metric, [*MODELS[:2], wrong])
