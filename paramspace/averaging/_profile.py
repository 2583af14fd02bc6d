"""The power function profile: its width, and inner products."""

import math

import numpy as np

WIDEST = 12**-0.5  # The sigma_rel of the uniform profile.


def gamma_to_sigma_rel(gamma: float) -> float:
  r"""Returns the relative width of the profile of an exponent.

    sigma_rel = sqrt( (gamma + 1) / ((gamma + 2)^2 (gamma + 3)) ),

  the standard deviation of the profile over the length of the training.

  Args:
    gamma: The exponent, greater than -1.

  Raises:
    ValueError: If it is not.

  Example:
    >>> round(gamma_to_sigma_rel(5.0), 6)
    0.123718

  References:
    Karras et al, 2023, https://arxiv.org/abs/2312.02696, Section 3.1.
  """
  if not gamma > -1:
    raise ValueError(f'`gamma` must be greater than -1, got {gamma}.')
  return math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)))


def sigma_rel_to_gamma(sigma_rel: float) -> float:
  r"""Returns the exponent of the profile of a relative width.

  It is the largest root of

    gamma^3 + 7 gamma^2 + (16 - sigma_rel^-2) gamma + 12 - sigma_rel^-2 = 0.

  Args:
    sigma_rel: In (0, 0.2887); the width falls as the exponent rises.

  Raises:
    ValueError: If it is out of that range.

  Example:
    >>> round(sigma_rel_to_gamma(0.1), 6)
    6.937204

  References:
    Karras et al, 2023, https://arxiv.org/abs/2312.02696, Section 3.1.
  """
  if not 0 < sigma_rel < WIDEST:
    raise ValueError(
      f'`sigma_rel` must lie in (0, {WIDEST:.4f}), got {sigma_rel}. It is the '
      'width relative to the training; the exponent is `gamma`.'
    )
  inverse = sigma_rel**-2
  roots = np.roots([1, 7, 16 - inverse, 12 - inverse])
  return float(roots[roots.real.argmax()].real)


def inner(
  time_a: float, gamma_a: float, time_b: float, gamma_b: float
) -> float:
  r"""Returns the integral of the product of two profiles.

    <p_a, p_b> = (gamma_a + 1) (gamma_b + 1) r^gamma
                 / ((gamma_a + gamma_b + 1) max(T_a, T_b)),

  where r = min(T_a, T_b) / max(T_a, T_b), and gamma is that of the profile that
  ends later.

  Args:
    time_a: T_a, where the first ends.
    gamma_a: Its exponent.
    time_b: T_b, where the other ends.
    gamma_b: Its exponent.

  References:
    Karras et al, 2023, https://arxiv.org/abs/2312.02696, Appendix C.
  """
  late = gamma_a if time_a > time_b else gamma_b
  first, last = sorted((time_a, time_b))
  scale = (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1)
  return scale * (first / last) ** late / last
