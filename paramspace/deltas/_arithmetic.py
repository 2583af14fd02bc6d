"""delta = tuned - base, and back."""

import jax
import jax.numpy as jnp

from paramspace import base as types
from paramspace import trees
from paramspace.deltas import _check
from paramspace.deltas import _rounding

Scalar = float | jax.Array


def subtract(tuned: types.Params, base: types.Params) -> types.Params:
  """Returns tuned - base, in float32 or wider.

  The difference of two bfloat16 or float16 numbers is exact in float32, but for
  gaps of exponents that trained weights do not have.

  Args:
    tuned: A tree.
    base: A tree like it.

  Returns:
    A tree. Leaves that are not floating-point are as they are in both: their
    delta is nothing, and `add` puts them back.

  Raises:
    ValueError: If the trees differ: in leaves, shapes, dtypes or, outside
      `jit`, in values that are not floating-point; names the leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> tuned = {'w': jnp.array([1.5, 2.0]), 'step': jnp.array(3)}
    >>> deltas.subtract(tuned, tuned | {'w': jnp.ones(2)})['w']
    Array([0.5, 1. ], dtype=float32)
  """
  trees.check_same(base, tuned, 'subtract: tuned, beside base')
  trees.check_carried(base, tuned, 'subtract: tuned, beside base')
  origin = trees.floating(base)
  moved = {
    name: trees.widen(x) - trees.widen(origin[name])
    for name, x in trees.floating(tuned).items()
  }
  return trees.replace(tuned, moved)


def add(
  base: types.Params,
  delta: types.Params,
  scale: Scalar = 1.0,
  out_dtype: jax.typing.DTypeLike | None = None,
  rounding: str = 'nearest',
  key: types.PRNGKey | None = None,
) -> types.Params:
  r"""Returns base + scale delta, added in float32 or wider and cast once.

  Where the delta is 0 the base stays, to the bit. In bfloat16 a small delta is
  lost in the cast, whatever the arithmetic before: `lost` says how much of it.
  Stochastic rounding keeps it on average: it rounds to one of the two numbers
  around the sum, to the nearer one with the greater probability, so that the
  expectation is the sum.

  Args:
    base: A tree.
    delta: A tree like it, of any floating-point dtype.
    scale: A number.
    out_dtype: That of the floating-point leaves that are returned; those of
      `base` if it is not given.
    rounding: 'nearest' or 'stochastic', which is for bfloat16 and float16, and
      changes nothing elsewhere.
    key: For stochastic rounding alone.

  Returns:
    A tree. Leaves that are not floating-point are those of both.

  Raises:
    ValueError: If the trees differ in leaves, shapes or, outside `jit`, in
      values that are not floating-point, if a sum is too large for its dtype
      (not known under `jit`), or if `rounding` and `key` do not go together.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import deltas
    >>> deltas.add({'w': jnp.ones(2)}, {'w': jnp.array([0.5, 0.0])}, 2.0)['w']
    Array([2., 1.], dtype=float32)
  """
  _check.one_of('rounding', rounding, ('nearest', 'stochastic'))
  if (rounding == 'stochastic') != (key is not None):
    raise ValueError(
      f'`rounding` is {rounding!r} and `key` is {key}; stochastic rounding '
      'takes a key, and nothing else does.'
    )
  steps = trees.check_shapes(base, delta, 'add: delta, beside base')
  trees.check_carried(base, delta, 'add: delta, beside base')
  out = {}
  for name, x in trees.floating(base).items():
    dtype = jnp.dtype(out_dtype or x.dtype)
    y = _sum(x, steps[name], scale)
    if rounding == 'stochastic':
      out[name] = _rounding.stochastic(trees.key_for(key, name), y, dtype)
    else:
      out[name] = y.astype(dtype)
    _check_range(name, y, out[name])
  return trees.replace(base, out)


def common(x: jax.Array, delta: jax.Array) -> jax.typing.DTypeLike:
  """Returns the dtype of the arithmetic: float32, or the widest of the two."""
  wide = trees.widen(x).dtype, trees.widen(delta).dtype
  return max(wide, key=lambda dtype: jnp.finfo(dtype).bits)


def _sum(x: jax.Array, delta: jax.Array, scale: Scalar) -> jax.Array:
  dtype = common(x, delta)
  x, delta = x.astype(dtype), delta.astype(dtype)
  moved = x + jnp.asarray(scale).astype(dtype) * delta
  return jnp.where(delta == 0, x, moved)  # -0.0 + 0.0 would be 0.0.


def _check_range(name: str, wide: jax.Array, narrow: jax.Array) -> None:
  if isinstance(narrow, jax.core.Tracer):
    return
  if not jnp.array_equal(jnp.isfinite(wide), jnp.isfinite(narrow)):
    raise ValueError(
      f'add: leaf {name!r} is too large for {narrow.dtype}, at most '
      f'{float(jnp.abs(wide).max()):.3g}; give a wider `out_dtype`.'
    )
