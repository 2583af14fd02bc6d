"""How operations that work entry by entry, or drop axes, relate axes."""

from jax.extend import core

from paramspace.symmetry import _flow
from paramspace.symmetry import _log

Axes = _log.Axes


def elementwise(
  log: _log.Log, eqn: core.JaxprEqn, *operands: Axes
) -> list[Axes]:
  """Equal axes are one class; scalars and axes of size 1 are repeated."""
  full = [axes for axes in operands if axes]
  axes = tuple(log.join(eqn, column) for column in zip(*full, strict=True))
  return [axes] * len(eqn.outvars)


def unchanged(log: _log.Log, eqn: core.JaxprEqn, *operands: Axes) -> list[Axes]:
  """Each result is an operand."""
  return list(operands)


def reduce(log: _log.Log, eqn: core.JaxprEqn, operand: Axes) -> list[Axes]:
  """Sums and the like do not depend on the order."""
  gone = eqn.params['axes']
  return [tuple(axis for k, axis in enumerate(operand) if k not in gone)]


def arg_reduce(log: _log.Log, eqn: core.JaxprEqn, operand: Axes) -> list[Axes]:
  """The answer is a position, which a permutation would change."""
  for k in eqn.params['axes']:
    _flow.pin(operand[k])
  return reduce(log, eqn, operand)


def cumulative(log: _log.Log, eqn: core.JaxprEqn, operand: Axes) -> list[Axes]:
  """The axis that is run along has an order."""
  out = _log.shape(eqn.outvars[0])
  return [_log.frozen(log, operand, [eqn.params['axis']], out)]


def sort(log: _log.Log, eqn: core.JaxprEqn, *operands: Axes) -> list[Axes]:
  """The keys order all operands along one axis."""
  axes = elementwise(log, eqn, *operands)[0]
  out = _log.shape(eqn.outvars[0])
  axes = _log.frozen(log, axes, [eqn.params['dimension']], out)
  return [axes] * len(eqn.outvars)


def top_k(log: _log.Log, eqn: core.JaxprEqn, operand: Axes) -> list[Axes]:
  """Its indices are positions on the axis."""
  axis = eqn.params.get('axis', len(operand) - 1) % len(operand)
  out = _log.shape(eqn.outvars[0])
  return [_log.frozen(log, operand, [axis], out)] * 2


def iota(log: _log.Log, eqn: core.JaxprEqn, *_) -> list[Axes]:
  """Entries that tell positions."""
  dimension, sizes = eqn.params['dimension'], eqn.params['shape']
  return [
    tuple(
      _flow.fixed(size) if k == dimension else None
      for k, size in enumerate(sizes)
    )
  ]


def drawn(log: _log.Log, eqn: core.JaxprEqn, *operands: Axes) -> list[Axes]:
  """Random entries stay where they are, and so does what they meet."""
  for axes in operands:
    for axis in axes:
      _flow.pin(axis)
  return [
    tuple(_flow.fixed(size) for size in _log.shape(var)) for var in eqn.outvars
  ]


_ELEMENTWISE = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e
cbrt ceil clamp clz complex conj convert_element_type copy copy_p cos cosh
digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt igamma
igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log log1p
logistic lt lt_to max min mul mulhi name ne neg nextafter not or polygamma
population_count pow pvary real reduce_precision regularized_incomplete_beta rem
round rsqrt select_n sharding_constraint shift_left shift_right_arithmetic
shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor
zeta
"""

_REDUCE = """
reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or reduce_xor
"""

_DRAWN = """
random_bits random_fold_in random_gamma random_seed random_split random_unwrap
random_wrap rng_bit_generator rng_uniform threefry2x32
"""

_CUMULATIVE = 'cumsum cumprod cummax cummin cumlogsumexp'

RULES = {
  **dict.fromkeys(_ELEMENTWISE.split(), elementwise),
  **dict.fromkeys(_REDUCE.split(), reduce),
  **dict.fromkeys(['argmax', 'argmin'], arg_reduce),
  **dict.fromkeys(_CUMULATIVE.split(), cumulative),
  **dict.fromkeys(_DRAWN.split(), drawn),
  **dict.fromkeys(['device_put', 'optimization_barrier'], unchanged),
  'iota': iota,
  'sort': sort,
  'top_k': top_k,
}
