"""A model's function in float64, compiled once, at parameters without ties."""

import contextlib
import re
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core

from paramspace import base
from paramspace import trees

# The program runs a few times on little data: compiling it is most of the time.
QUICK = {'xla_backend_optimization_level': 0}
# The latest, for a model is verified, and then asked what was missed.
_LAST: list[tuple[Any, Callable[..., Any]]] = []

NARROW = ('float32', 'bfloat16', 'float16')


@contextlib.contextmanager
def precision() -> Iterator[None]:
  """Within it arrays are float64, and mix with those of other dtypes.

  The model may be strict about dtypes and hold arrays in float32; that they
  meet float64 is our doing.
  """
  with jax.enable_x64(True), jax.numpy_dtype_promotion('standard'):
    yield


def widened(tree: Any) -> Any:
  """Returns floating-point leaves in float64, on the host; others as is."""
  wide = lambda x: np.asarray(x).astype(np.float64)
  return jax.tree.map(lambda x: wide(x) if trees.is_floating(x) else x, tree)


def jittered(params: base.Params, scale: float) -> base.Params:
  """Returns parameters in float64, each entry a little larger.

  Equal entries, such as those of a fresh bias, would hide a wrong permutation.
  What is positive stays so, and what is not finite stays what it is.

  Args:
    params: A tree.
    scale: By how much at most, in units of a leaf's root mean square, or of one
      where that is zero.

  Raises:
    ValueError: If a leaf has NaNs; names it.
  """
  moved = {}
  for name, x in trees.named(params).items():
    if not trees.is_floating(x):
      continue
    x = widened(x)
    if np.isnan(x).any():
      raise ValueError(f'Leaf {name!r} has NaNs, which no function survives.')
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    finite = x[np.isfinite(x)]
    rms = np.sqrt(np.mean(finite**2)) if finite.size else 0.0
    moved[name] = x + scale * (rms or 1.0) * rng.random(x.shape)
  return trees.replace(params, moved)


def compiled(
  apply: Callable[..., Any], *args: Any
) -> tuple[Callable[..., Any], Any]:
  """Returns `apply`, compiled for `args`, and its jaxpr.

  Raises:
    ValueError: If it does not trace in float64, or tracing it twice gives two
      programs.
  """
  try:
    traced = jax.jit(lambda *x: apply(*x)).trace(*args)
    again = jax.jit(lambda *x: apply(*x)).trace(*args)
  except (TypeError, ValueError) as e:
    raise ValueError(
      'The function does not run on these inputs in float64 (an array of a '
      f'fixed dtype within it is one cause): {str(e).splitlines()[0]}'
    ) from e
  if not _same(traced, again):
    raise ValueError(
      'The function is another one each time it is traced: it draws random '
      'numbers or changes what it closes over. Make it a pure function of '
      '`params` and `inputs`, and turn dropout off.'
    )
  for last, run in _LAST:
    alike = last.args_info == traced.args_info
    if alike and last.out_info == traced.out_info and _same(last, traced):
      return run, traced.jaxpr
  options = QUICK if jax.default_backend() == 'cpu' else None
  run = traced.lower().compile(compiler_options=options)
  _LAST[:] = [(traced, run)]
  return run, traced.jaxpr


def _same(a, b):
  """Whether two programs and the arrays they hold are the same."""
  a, b = a.jaxpr, b.jaxpr
  # Functions within them have other addresses.
  text = lambda jaxpr: re.sub(r'0x[0-9a-f]+', '', str(jaxpr.jaxpr))
  if len(a.consts) != len(b.consts) or text(a) != text(b):
    return False
  plain = [jax.tree.map(_plain, x.consts) for x in (a, b)]
  return all(map(_equal, *plain))


def _plain(x):
  is_key = jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
  return np.asarray(jax.random.key_data(x) if is_key else x)


def _equal(x, y):
  if x.shape != y.shape or x.dtype != y.dtype:
    return False
  return bool(((x == y) | ((x != x) & (y != y))).all())


def difference(out: Any, want: Any) -> float:
  """Returns the largest relative error of outputs, in the maximum norm.

  Outputs that are not floating-point differ by 0 or 1.
  """
  errors = [0.0]
  pairs = zip(jax.tree.leaves(out), jax.tree.leaves(want), strict=True)
  for x, y in ((_plain(x), _plain(y)) for x, y in pairs):
    if not jax.dtypes.issubdtype(y.dtype, np.inexact):
      errors.append(float((x != y).any()))
      continue
    wide = np.promote_types(y.dtype, np.float64)
    x, y = x.astype(wide), y.astype(wide)
    same = x == y  # Infinities too.
    gap = np.abs(np.where(same, 0, x) - np.where(same, 0, y))
    scale = np.abs(y[np.isfinite(y)]).max(initial=0.0)
    errors.append(float(gap.max(initial=0.0) / (scale or 1.0)))
  # Not `max`: it loses a NaN.
  return float(np.max(errors))


def check_outputs(out: Any) -> None:
  """Raises where outputs can show nothing.

  Raises:
    ValueError: If there are NaNs among them, if all are zero, or if there are
      none.
  """
  leaves = [_plain(x) for x in jax.tree.leaves(out)]
  for k, x in enumerate(leaves):
    if trees.is_floating(x) and np.isnan(x.astype(np.float64)).any():
      raise ValueError(
        f'Output {k} of the function has NaNs in float64; check the '
        'parameters and the inputs, or pass `jitter=0.0`.'
      )
  if not any((x != 0).any() for x in leaves):
    raise ValueError(
      'All outputs are zero, which shows no difference; pass other inputs, or '
      'parameters after some training.'
    )


def hints(jaxpr: Any) -> str:
  """Returns what in a program may make its function change."""
  names, dtypes = set(), set()
  for eqn in _equations(jaxpr.jaxpr):
    names.add(eqn.primitive.name)
    dtypes.update(str(v.aval.dtype) for v in eqn.outvars if v.aval.dtype)
  text = ''
  draws = sorted(n for n in names if n in ('random_bits', 'threefry2x32'))
  if draws:
    text += (
      f' It draws random numbers ({", ".join(draws)}), which do not move with '
      'the parameters: turn dropout off.'
    )
  narrow = sorted(dtypes.intersection(NARROW))
  if narrow:
    text += (
      f' It computes in {" and ".join(narrow)} within, which is exact to '
      '1e-7 at best: set its dtype to None or float64, or pass a larger '
      '`tolerance`.'
    )
  return text


def _equations(jaxpr):
  """Yields the equations of a program, also of those within."""
  for eqn in jaxpr.eqns:
    yield eqn
    for inner in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_jaxpr):
      if _is_jaxpr(inner):
        yield from _equations(getattr(inner, 'jaxpr', inner))


def _is_jaxpr(x):
  return isinstance(x, core.Jaxpr | core.ClosedJaxpr)
