"""Weight sequences: how much of the average each sample replaces.

Every online average is a <- a + w (theta - a), with w = 1 for the first sample.
Only the sequence of w differs.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace.averaging import _profile

Warmup = Callable[[jax.Array], jax.Array]


class Weights(NamedTuple):
  """A sequence of weights.

  Attributes:
    weight: `(time, interval, index) -> w`, all scalars of the default float
      type: the steps so far, those that this sample stands for included; how
      many steps it stands for; and the samples before it. Its value for the
      first sample does not matter: that one has weight 1.
    gamma: The exponent of the profile (gamma + 1) t^gamma / T^(gamma + 1), if
      that is what the weights amount to, else None.
  """

  weight: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
  gamma: float | None = None


def uniform() -> Weights:
  """w = 1/n: the mean of all samples.

  Returns:
    The weights of stochastic weight averaging and of Polyak's average.

  Example:
    >>> from paramspace import averaging
    >>> averaging.response(averaging.averager(averaging.uniform()), 4)
    array([0.25, 0.25, 0.25, 0.25])

  References:
    Izmailov et al, 2018, Averaging Weights Leads to Wider Optima and Better
    Generalization, https://arxiv.org/abs/1803.05407, Section 3.
  """
  return Weights(lambda time, interval, index: interval / time, gamma=0.0)


def ema(
  decay: float, debias: bool = False, warmup: Warmup | None = None
) -> Weights:
  r"""w = 1 - d: the exponential moving average.

  With a decay of d a step, the sample after `interval` steps has

    w = 1 - d^interval,  or, debiased,  (1 - d^interval) / (1 - d^time).

  The first sample counts in full, so nothing is ever pulled towards zero. What
  `debias` takes away is the extra weight d^T of that first sample; it gives the
  very average that Adam's correction of a zero start gives.

  Args:
    decay: d, per step, whatever the averager's `every`.
    debias: See above.
    warmup: Bounds the decay of early samples: takes the number of samples
      before, returns the largest decay; `ratio_warmup` or `power_warmup()`.

  Returns:
    The weights.

  Raises:
    ValueError: If the decay does not lie in [0, 1), or both of the others are
      given.

  Example:
    >>> from paramspace import averaging
    >>> averaging.response(averaging.averager(averaging.ema(0.5)), 3)
    array([0.25, 0.25, 0.5 ])
    >>> debiased = averaging.averager(averaging.ema(0.5, debias=True))
    >>> [round(float(w) * 7, 6) for w in averaging.response(debiased, 3)]
    [1.0, 2.0, 4.0]

  References:
    Kingma and Ba, 2015, Adam, https://arxiv.org/abs/1412.6980, Section 3, for
    the correction.
  """
  if not 0 <= decay < 1:
    raise ValueError(
      f'`decay` must lie in [0, 1), got {decay}. Mind which of d and 1 - d is '
      'meant.'
    )
  if debias and warmup:
    raise ValueError(
      '`debias` and `warmup` both shorten the average at first; give one.'
    )
  rate = math.log(decay) if decay else -math.inf

  def weight(time, interval, index):
    new = -jnp.expm1(interval * rate)  # 1 - d^interval, to full precision.
    if debias:
      return new / -jnp.expm1(time * rate)
    return jnp.maximum(new, 1 - warmup(index)) if warmup else new

  return Weights(weight)


def ratio_warmup(index: jax.Array) -> jax.Array:
  """Returns (1 + k) / (10 + k), the largest decay after k samples.

  >>> float(ratio_warmup(0.0))
  0.1

  References:
    TensorFlow's `ExponentialMovingAverage(num_updates=k)`.
  """
  return (1 + index) / (10 + index)


def power_warmup(
  inv_gamma: float = 1.0, power: float = 2 / 3, min_decay: float = 0.0
) -> Warmup:
  """Makes max(min_decay, 1 - (1 + k / inv_gamma)^-power).

  Args:
    inv_gamma: Samples until it sets in, positive.
    power: How fast it rises, positive. 2/3 reaches .999 after 31,622 samples,
      3/4 after 9,999.
    min_decay: The least decay, in [0, 1).

  Returns:
    A function of k, the samples before, for `ema`.

  Raises:
    ValueError: If an argument is out of its range.

  >>> round(float(power_warmup()(31_622.0)), 6)
  0.999
  """
  if inv_gamma <= 0 or power <= 0 or not 0 <= min_decay < 1:
    raise ValueError(
      '`power_warmup` takes a positive `inv_gamma` and `power`, and a '
      f'`min_decay` in [0, 1); got {inv_gamma}, {power}, {min_decay}.'
    )
  return lambda index: jnp.maximum(
    1 - (1 + index / inv_gamma) ** -power, min_decay
  )


def power(
  *, sigma_rel: float | None = None, gamma: float | None = None
) -> Weights:
  r"""w = 1 - (1 - interval / time)^(gamma + 1): the power function average.

  Whatever the interval, the sample at step t of T has the mass of the profile

    p(t) = (gamma + 1) t^gamma / T^(gamma + 1)

  over the steps that it stands for, so the profile is the one that is stated.

  Args:
    sigma_rel: The relative width of the profile, its standard deviation over T,
      in (0, 12^-0.5 = 0.2887). Typical are 0.05 to 0.2.
    gamma: The exponent instead, greater than -1; 0 is the uniform average.

  Returns:
    The weights.

  Raises:
    ValueError: If not exactly one of them is given, or it is out of its range.

  Example:
    >>> from paramspace import averaging
    >>> linear = averaging.averager(averaging.power(gamma=1.0))
    >>> [round(float(w) * 9, 6) for w in averaging.response(linear, 3)]
    [1.0, 3.0, 5.0]

  References:
    Karras et al, 2023, Analyzing and Improving the Training Dynamics of
    Diffusion Models, https://arxiv.org/abs/2312.02696, Section 3. Shamir and
    Zhang, 2013, https://arxiv.org/abs/1212.1824, polynomial-decay averaging.
  """
  if (sigma_rel is None) == (gamma is None):
    raise ValueError(
      '`power` takes `sigma_rel` or `gamma`, got '
      f'sigma_rel={sigma_rel} and gamma={gamma}.'
    )
  if gamma is None:
    gamma = _profile.sigma_rel_to_gamma(sigma_rel)
  if not -1 < gamma < math.inf:
    raise ValueError(f'`gamma` must be greater than -1, got {gamma}.')
  exponent = gamma + 1

  def weight(time, interval, index):
    return -jnp.expm1(exponent * jnp.log1p(-interval / time))

  return Weights(weight, gamma=float(gamma))


def halflife(fraction: float) -> Weights:
  r"""w = 1 - 2^(-interval / (fraction time)): the half-life grows with time.

  Args:
    fraction: The half-life over the steps so far, positive: with 0.1, the last
      tenth of the training has about half of the weight.

  Returns:
    The weights.

  Raises:
    ValueError: If the fraction is not positive.

  Example:
    >>> from paramspace import averaging
    >>> response = averaging.response(
    ...   averaging.averager(averaging.halflife(0.1)), 1_000
    ... )
    >>> round(float(response[-100:].sum()), 2)
    0.52

  References:
    Karras et al, 2020, https://arxiv.org/abs/1912.04958, whose half-life grows
    with the training at first.
  """
  if not 0 < fraction < math.inf:
    raise ValueError(f'`fraction` must be positive, got {fraction}.')

  def weight(time, interval, index):
    return -jnp.expm1(-math.log(2) / fraction * (interval / time))

  return Weights(weight)
