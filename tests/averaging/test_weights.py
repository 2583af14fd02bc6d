"""Weight sequences, against the closed forms of their sources."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import averaging


def weight(weights, time, interval=1):
  """Returns w in float32, as an update computes it."""
  scalars = (jnp.float32(x) for x in (time, interval, (time - 1) // interval))
  return float(jax.jit(weights.weight)(*scalars))


# 1 - w at the times 1, 2, 3, 5, 10, 100 and 1,000.
KEPT = {
  0.05: '0 3.888921e-6 6.843101e-4 .0181265018 .1505349325 .8347469683 '
  '.9821795063',
  0.10: '0 .0040800317 .0400246705 .1701396218 .4333247207 .9233272422 '
  '.9920902726',
}


@pytest.mark.parametrize('sigma_rel', KEPT)
def test_power_keeps_what_the_published_rule_keeps(sigma_rel):
  got = [
    1 - weight(averaging.power(sigma_rel=sigma_rel), time)
    for time in (1, 2, 3, 5, 10, 100, 1000)
  ]
  kept = np.array(KEPT[sigma_rel].split(), np.float64)
  np.testing.assert_allclose(got, kept, atol=2e-7)


def test_power_is_exact_late_in_a_long_run():
  """1 - (1 - 1/t)^(gamma + 1) has lost all digits there in float32."""
  got = weight(averaging.power(gamma=6.94), 10_000_000)
  exact = -np.expm1(7.94 * np.log1p(-1e-7))
  assert abs(got / exact - 1) < 1e-6


@pytest.mark.parametrize('every', [1, 8, 100])
def test_the_width_of_the_power_profile_is_the_one_that_is_asked_for(every):
  """Not so where the interval is left out: .24 instead of .05 at 100."""
  averager = averaging.averager(averaging.power(sigma_rel=0.05), every=every)
  response = averaging.response(averager, 10_000)
  time = np.arange(1, 10_001) / 10_000
  mean = response @ time
  width = np.sqrt(response @ (time - mean) ** 2)
  assert abs(width - 0.05) < 1e-4


@pytest.mark.parametrize('decay', [0.0, 0.9, 0.999, 0.99999])
def test_a_debiased_ema_is_adam_s(decay):
  averager = averaging.averager(averaging.ema(decay, debias=True))
  got = averaging.response(averager, 20)
  terms = (1 - decay) * decay ** np.arange(19.0, -1, -1)
  np.testing.assert_allclose(got, terms / (1 - decay**20), rtol=1e-6)


def test_the_decay_of_an_ema_is_per_step():
  ends = [
    averaging.response(averaging.averager(averaging.ema(0.99), every=n), 400)
    for n in (1, 10)
  ]
  by_tens = [r.reshape(-1, 10).sum(axis=1)[1:] for r in ends]
  np.testing.assert_allclose(*by_tens, rtol=1e-9)


def test_ratio_warmup_is_tensorflow_s():
  weights = averaging.ema(0.5, warmup=averaging.ratio_warmup)
  got = [weight(weights, n) for n in (1, 2, 5, 9, 100)]
  expected = [1 - min(0.5, n / (9 + n)) for n in (1, 2, 5, 9, 100)]
  np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize(
  ('power', 'decay', 'samples'),
  [
    (2 / 3, 0.999, 31_622),
    (2 / 3, 0.9999, 1_000_000),
    (3 / 4, 0.999, 9_999),
    (3 / 4, 0.9999, 215_442),
  ],
)
def test_power_warmup_reaches_a_decay_when_it_should(power, decay, samples):
  cap = averaging.power_warmup(power=power)
  assert cap(jnp.float32(samples * 0.99)) < decay
  assert cap(jnp.float32(samples * 1.01)) > decay


def test_warmup_lets_go_of_the_first_steps():
  slow = averaging.averager(averaging.ema(0.999))
  warm = averaging.averager(
    averaging.ema(0.999, warmup=averaging.power_warmup(min_decay=0.1))
  )
  assert averaging.response(slow, 200)[0] > 0.8
  assert averaging.response(warm, 200)[0] < 1e-3


@pytest.mark.parametrize('decay', [1.0, 1.5, -0.1, float('nan')])
def test_a_decay_lies_below_one(decay):
  with pytest.raises(ValueError, match=r'`decay` must lie in \[0, 1\), got'):
    averaging.ema(decay)


def test_an_ema_is_debiased_or_warmed_up():
  with pytest.raises(ValueError, match='give one'):
    averaging.ema(0.9, debias=True, warmup=averaging.ratio_warmup)


@pytest.mark.parametrize('sigma_rel', [0.0, 0.2887, 16.97, -0.1, float('nan')])
def test_a_width_is_below_that_of_the_uniform_average(sigma_rel):
  with pytest.raises(ValueError, match=r'`sigma_rel` must lie in \(0, 0.2887'):
    averaging.power(sigma_rel=sigma_rel)


def test_power_takes_a_width_or_an_exponent():
  with pytest.raises(ValueError, match='takes `sigma_rel` or `gamma`'):
    averaging.power()
  with pytest.raises(ValueError, match='takes `sigma_rel` or `gamma`'):
    averaging.power(sigma_rel=0.1, gamma=1.0)
  with pytest.raises(ValueError, match='`gamma` must be greater than -1'):
    averaging.power(gamma=-1.0)


@pytest.mark.parametrize('fraction', [0.0, -1.0, float('inf')])
def test_a_half_life_is_positive(fraction):
  with pytest.raises(ValueError, match='`fraction` must be positive'):
    averaging.halflife(fraction)


@pytest.mark.parametrize(
  'arguments', [{'inv_gamma': 0.0}, {'power': -1.0}, {'min_decay': 1.0}]
)
def test_a_warmup_has_positive_arguments(arguments):
  with pytest.raises(ValueError, match='`power_warmup` takes'):
    averaging.power_warmup(**arguments)
