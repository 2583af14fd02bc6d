"""A q for every output of a layer, in closed form (DAREx-q)."""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.deltas import _check


def analytic_q(
  delta: base.Params,
  rate: float,
  means: Mapping[str, jax.Array],
  eta: float,
  gamma: float = 0.95,
  per: str = 'row',
) -> base.Params:
  r"""Returns the q that bounds what a drop changes, from the means of inputs.

  With c_j = delta_j x_j what the mean input x_j, or the bias, adds to an
  output, that output changes by no more, with probability gamma, than a
  multiple of

    |eta (1 - (1 - p) / q) sum_j c_j + eta^2 phi(p) sum_j c_j^2 / (4 q^2)
     + ln(2 / (1 - gamma))|,  phi(p) = (1 - 2 p) / ln((1 - p) / p),

  which is least over q in [1 - p, 1] where it turns or, if sum_j c_j is below
  0, where it is 0, or else at an end.

  Args:
    delta: A tree.
    rate: p, in [0, 1).
    means: By leaf name, the mean input of the layers that are given, of the
      first axes of their kernel: `[in]` for a kernel `[in, out]`, flat if
      they are several.
    eta: Above 0. The authors search it, from 0.27 to 1.01 for four tasks.
    gamma: In [0, 1).
    per: 'row', a q for each output, or 'leaf', their mean, as in the authors'
      code.

  Returns:
    A tree like the delta, for `drop_tuned`. The bias beside a kernel has the q
    of its outputs; leaves without means have the mean of all others.

  Raises:
    ValueError: If an argument is out of its range, or a mean does not fit a
      leaf; names it.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> delta = {'kernel': jnp.array([[2.0, 0.1], [1.0, 0.1]])}
    >>> means = {'kernel': jnp.array([1.0, 2.0])}
    >>> q = deltas.analytic_q(delta, 0.9, means, eta=0.1)
    >>> [round(x, 3) for x in q['kernel'][0].tolist()]
    [0.364, 0.1]

  Note: The authors take the best of steps of 0.001 from 1 - p to 0.999, and end
    the scan for a leaf once four fifths of its outputs have passed their best.

  References:
    Deng et al, 2024, DARE the Extreme, https://arxiv.org/abs/2410.09344,
    Section 4 and Appendix.
  """
  _check_arguments(rate, eta, gamma)
  _check.one_of('per', per, ('row', 'leaf'))
  leaves = trees.floating(delta)
  if not means:
    raise ValueError('analytic_q: `means` holds no layer.')
  found, middles = {}, []
  for name, mean in means.items():
    axes = _input_axes(name, mean, leaves)
    x = trees.widen(leaves[name])
    inputs = trees.widen(mean).reshape(*x.shape[:axes], *[1] * (x.ndim - axes))
    c, along = x * inputs, tuple(range(axes))
    total, squares = jnp.sum(c, along), jnp.sum(c * c, along)  # [out]
    bias = _bias_of(name, leaves, total.shape)
    if bias:
      total = total + trees.widen(leaves[bias])
      squares = squares + trees.widen(leaves[bias]) ** 2
    q = _least(total, squares, rate, eta, math.log(2 / (1 - gamma)))
    middles.append(jnp.mean(q))
    found[name] = q.reshape(*[1] * axes, *q.shape)
    if bias:
      found[bias] = q
    if per == 'leaf':
      found |= {n: middles[-1] for n in (name, bias) if n}
  other = sum(middles) / len(middles)
  return trees.replace(delta, {n: found.get(n, other) for n in leaves})


def phi(rate: float) -> float:
  """Returns (1 - 2 p) / ln((1 - p) / p), of which 1/2 is the limit at 1/2."""
  if rate in (0, 1):
    return 0.0
  x = 1 - 2 * rate
  # The logarithm is 2 artanh(x) = 2 (x + x^3 / 3 + ...).
  return x / (2 * math.atanh(x)) if abs(x) > 1e-4 else 0.5 - x * x / 6


def _least(
  total: jax.Array, squares: jax.Array, rate: float, eta: float, log: float
) -> jax.Array:
  """Returns the q in [1 - p, 1] of the least |a u^2 - b u + c|, u = 1 / q."""
  a = eta**2 * phi(rate) / 4 * squares
  b, c = eta * (1 - rate) * total, eta * total + log
  # Above 0 where b >= 0, so that it is least where it turns; else it rises.
  turn = jnp.where(a > 0, b / jnp.where(a > 0, 2 * a, 1), jnp.inf)
  root = jnp.sqrt(jnp.maximum(b * b - 4 * a * c, 0))
  zero = -2 * c / jnp.where(b < 0, root - b, 1)
  return 1 / jnp.clip(jnp.where(b < 0, zero, turn), 1, 1 / (1 - rate))


def _input_axes(name: str, mean: jax.Array, leaves: Mapping) -> int:
  """Returns how many axes of the leaf are inputs, those that the mean is of."""
  if name not in leaves:
    raise ValueError(
      f'analytic_q: `means` has {name!r}, which is no floating-point leaf; '
      f'near misses: {trees.nearest(name, list(leaves))}.'
    )
  shape = leaves[name].shape
  for axes in range(1, len(shape)):
    if math.prod(shape[:axes]) == mean.size:
      return axes
  raise ValueError(
    f'analytic_q: the mean input of {name!r} should have the size of the first '
    f'axes of {list(shape)}, got shape {list(mean.shape)}.'
  )


def _bias_of(name: str, leaves: Mapping, outputs: tuple) -> str | None:
  """Returns the bias beside a kernel, if there is one."""
  folder, slash, last = name.rpartition('/')
  bias = folder + slash + 'bias'
  beside = last == 'kernel' and bias in leaves
  return bias if beside and leaves[bias].shape == outputs else None


def _check_arguments(rate: float, eta: float, gamma: float) -> None:
  for name, value in (('rate', rate), ('gamma', gamma)):
    _check.fraction(name, value)
    if value == 1:
      raise ValueError(f'`{name}` must lie below 1, got {value}.')
  if not 0 < eta < math.inf:
    raise ValueError(f'`eta` must be a number above 0, got {eta}.')
