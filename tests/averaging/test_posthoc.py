"""Averages after the fact, against the published vectors."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import averaging
from paramspace.averaging import _profile

FOUR = [(t, averaging.power(sigma_rel=s)) for t in (1, 2) for s in (0.05, 0.10)]
ONE_WIDTH = [(t, averaging.power(sigma_rel=0.10)) for t in (1, 2, 3, 4)]


def solve(sources, target):
  """Without a word on extrapolation."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', RuntimeWarning)
    return averaging.posthoc(sources, target)


@pytest.mark.parametrize(
  ('sigma_rel', 'gamma'),
  [
    (0.05, 16.972198602303447),
    (0.10, 6.937203937601809),
    (0.15, 3.5578687748994646),
    (0.20, 1.8262137798958404),
    (0.25, 0.71982395800071),
    (0.28867513459481287 - 1e-12, 0.0),
    (0.23570226039551584, 1.0),
    (0.12371791482634838, 5.0),
  ],
)
def test_widths_and_exponents(sigma_rel, gamma):
  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
  close(averaging.sigma_rel_to_gamma(sigma_rel), gamma)
  close(averaging.gamma_to_sigma_rel(gamma), sigma_rel)


def test_inner_products_are_the_published_ones():
  gram = np.array(
    [[_profile.inner(s, a.gamma, t, b.gamma) for t, b in FOUR] for s, a in FOUR]
  )
  expected = {
    (0, 0): 9.2432535239,
    (0, 1): 5.7267132475,
    (0, 2): 0.0000359463,
    (0, 3): 0.0233651714,
    (1, 1): 4.2354093605,
    (1, 2): 0.0000222707,
    (1, 3): 0.0172806043,
    (2, 2): 4.6216267619,
    (2, 3): 2.8633566238,
    (3, 3): 2.1177046803,
  }
  for (i, j), value in expected.items():
    np.testing.assert_allclose(gram[[i, j], [j, i]], value, atol=5e-11)


def test_inner_products_are_integrals():
  time = (np.arange(2_000_000) + 0.5) / 1_000_000
  profile = lambda end, gamma: np.where(
    time < end, (gamma + 1) * time**gamma / end ** (gamma + 1), 0
  )
  got = _profile.inner(1.5, 2.3, 2.0, 6.9)
  integral = (profile(1.5, 2.3) * profile(2.0, 6.9)).mean() * 2
  np.testing.assert_allclose(got, integral, rtol=1e-6)


@pytest.mark.parametrize(
  ('sources', 'end', 'sigma_rel', 'expected'),
  [
    (FOUR, 2, 0.05, [0, 0, 1, 0]),
    (FOUR, 2, 0.10, [0, 0, 0, 1]),
    (
      FOUR,
      2,
      0.075,
      [1.3574828e-4, -2.42662683e-3, 0.3429690359, 0.6593218427],
    ),
    (
      FOUR,
      2,
      0.15,
      [-0.0144959974, 0.0501413935, -0.3405118946, 1.3048664984],
    ),
    (
      ONE_WIDTH,
      4,
      0.15,
      [0.0013828645, 0.0269320205, 0.1425835173, 0.8291015978],
    ),
    (
      ONE_WIDTH,
      4,
      0.20,
      [0.0134583352, 0.0860121437, 0.2362709459, 0.6642585753],
    ),
    (
      ONE_WIDTH,
      4,
      0.05,
      [-1.7316e-8, -2.448078e-4, -0.1066076794, 1.1068525045],
    ),
  ],
)
def test_coefficients_are_the_published_ones(sources, end, sigma_rel, expected):
  found = solve(sources, (end, averaging.power(sigma_rel=sigma_rel)))
  np.testing.assert_allclose(found.weights, expected, atol=1e-9)
  assert abs(found.l1 - np.abs(expected).sum()) < 1e-8


@pytest.mark.parametrize(
  ('snapshots', 'sigma_rel', 'error'),
  [(4, 0.15, 0.11), (8, 0.15, 0.033), (16, 0.15, 0.0090), (64, 0.20, 0.0017)],
)
def test_the_error_of_the_profile_is_the_published_one(
  snapshots, sigma_rel, error
):
  average = [averaging.power(sigma_rel=s) for s in (0.05, 0.10)]
  sources = [(t + 1, a) for t in range(snapshots) for a in average]
  found = solve(sources, (snapshots, averaging.power(sigma_rel=sigma_rel)))
  assert abs(found.residual / error - 1) < 0.05


def snapshots(averagers, steps, count):
  return [
    (steps * (i + 1) // count, a) for i in range(count) for a in averagers
  ]


@pytest.mark.parametrize('every', [1, 4])
def test_step_by_step_agrees_with_the_closed_form(every):
  make = lambda s: averaging.averager(averaging.power(sigma_rel=s), every=every)
  sources = snapshots([make(0.05), make(0.10)], 1024, 16)
  found = averaging.posthoc(sources, (1024, make(0.15)))
  assert abs(found.residual / 0.0090 - 1) < 0.05
  assert abs(found.weights.sum() - 1) < 1e-12


def test_any_average_is_made_of_any_others():
  """A uniform mean of the second half, from two EMAs."""
  emas = [averaging.averager(averaging.ema(d)) for d in (0.9, 0.98)]
  target = averaging.averager(averaging.uniform(), start=128)
  found = solve(snapshots(emas, 256, 32), (256, target))
  assert found.residual < 0.2


def test_the_residual_is_that_of_the_weighted_sum():
  emas = [averaging.averager(averaging.ema(d)) for d in (0.8, 0.95)]
  target = averaging.averager(averaging.halflife(0.2))
  sources = snapshots(emas, 64, 4)
  found = solve(sources, (64, target))
  rows = [np.pad(averaging.response(a, t), (0, 64 - t)) for t, a in sources]
  wanted = averaging.response(target, 64)
  error = np.linalg.norm(found.weights @ np.stack(rows) - wanted)
  np.testing.assert_allclose(found.residual, error / np.linalg.norm(wanted))


def test_no_other_weights_come_nearer():
  emas = [averaging.averager(averaging.ema(d)) for d in (0.8, 0.95)]
  sources = snapshots(emas, 64, 4)
  wanted = averaging.averager(averaging.uniform())
  found = solve(sources, (64, wanted))
  rows = np.stack(
    [np.pad(averaging.response(a, t), (0, 64 - t)) for t, a in sources]
  )
  response = averaging.response(wanted, 64)
  error = lambda c: np.linalg.norm(c @ rows - response)
  rng = np.random.default_rng(0)
  for _ in range(20):
    move = rng.normal(size=8)
    other = found.weights + 1e-3 * (move - move.mean())
    assert error(other) > error(found.weights)


def test_a_reconstruction_is_the_average_that_was_not_tracked():
  """Parameters, not profiles: noisy SGD on a quadratic."""
  steps, size = 2048, 64
  tracked = [
    averaging.averager(averaging.power(sigma_rel=s)) for s in (0.05, 0.1)
  ]
  direct = averaging.averager(averaging.power(sigma_rel=0.15))
  curvature = jnp.geomspace(0.01, 1, size)

  @jax.jit
  def train(key):
    def step(carry, key):
      x, states = carry
      noise = jax.random.normal(key, (size,))
      x = x - 0.5 * (curvature * x + noise)
      states = [
        a.update(x, s) for a, s in zip((*tracked, direct), states, strict=True)
      ]
      return (x, states), [s.mean for s in states]

    x = jnp.full(size, 5.0)
    start = x, [a.init(x) for a in (*tracked, direct)]
    return jax.lax.scan(step, start, jax.random.split(key, steps))[1]

  *means, wanted = (np.asarray(m) for m in train(jax.random.key(0)))
  errors = []
  for count in 8, 16, 32:
    sources = snapshots(tracked, steps, count)
    found = averaging.posthoc(sources, (steps, direct))
    trees = (means[i % 2][t - 1] for i, (t, _) in enumerate(sources))
    got = averaging.combine(found.weights, trees)
    errors.append(np.linalg.norm(got - wanted[-1]) / np.linalg.norm(wanted[-1]))
  assert errors[0] < 2e-2 and errors[1] < 3e-3 and errors[2] < 4e-4


def test_snapshots_after_the_target_count_for_nothing():
  late = [*ONE_WIDTH, (5, averaging.power(sigma_rel=0.05))]
  target = (4, averaging.power(sigma_rel=0.20))
  np.testing.assert_array_equal(
    solve(late, target).weights, [*solve(ONE_WIDTH, target).weights, 0]
  )


def test_extrapolation_is_said():
  sources = snapshots(
    [averaging.power(sigma_rel=s) for s in (0.05, 0.1)], 16, 16
  )
  with pytest.warns(RuntimeWarning, match=r'absolute weights 7\.7'):
    averaging.posthoc(sources, (16, averaging.power(sigma_rel=0.03)))
  with pytest.warns(RuntimeWarning, match=r'residual 0\.22'):
    averaging.posthoc(FOUR, (2, averaging.power(sigma_rel=0.15)))


EMA = averaging.averager(averaging.ema(0.9))


@pytest.mark.parametrize(
  ('sources', 'message'),
  [
    ([], 'There are no sources'),
    (ONE_WIDTH[::-1], 'not in the order of their steps'),
    ([ONE_WIDTH[0], (1, averaging.power(sigma_rel=0.1))], 'same snapshot'),
    ([(1, EMA), (1, EMA)], 'Sources 0 and 1 are the same snapshot'),
    ([(0, EMA)], 'after 0 steps'),
    ([(8, averaging.power(gamma=2.0))], 'No source is as early as the target'),
    ([(1, EMA)], 'mix weights and averagers'),
    ([(1, averaging.ema(0.9))], 'profile in closed form'),
  ],
)
def test_sources_are_sorted_distinct_and_of_one_form(sources, message):
  with pytest.raises(ValueError, match=message):
    averaging.posthoc(sources, (4, averaging.power(sigma_rel=0.1)))
