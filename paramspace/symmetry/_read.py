"""Reading a program for what it does to axes, without running it."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.extend import core

from paramspace.symmetry import _flow
from paramspace.symmetry import _fold
from paramspace.symmetry import _log
from paramspace.symmetry import _rules_elementwise
from paramspace.symmetry import _rules_index
from paramspace.symmetry import _rules_linear
from paramspace.symmetry import _rules_shape

Axes = _log.Axes


def read(
  log: _log.Log, jaxpr: core.Jaxpr, consts: Sequence, operands: Sequence
) -> list[_fold.Axes]:
  """Returns the axes of a program's results, given those of its operands.

  Args:
    log: Keeps what is seen on the way.
    jaxpr: The program.
    consts: The values of its constants.
    operands: The axes of its operands.

  Returns:
    The axes of its results.
  """
  axes = dict(zip(jaxpr.constvars, map(constant, consts), strict=True))
  axes |= zip(jaxpr.invars, operands, strict=True)

  def of(atom):
    return constant(atom.val) if isinstance(atom, core.Literal) else axes[atom]

  for eqn in _live(jaxpr):
    found = _read_one(log, eqn, [of(atom) for atom in eqn.invars])
    axes |= zip(eqn.outvars, found, strict=True)
  return [of(atom) for atom in jaxpr.outvars]


def constant(x: jax.typing.ArrayLike) -> Axes:
  """Returns the axes of a constant: fixed where its entries differ."""
  shape = np.shape(x)
  if shape and jax.dtypes.issubdtype(x.dtype, jax.dtypes.extended):
    return tuple(map(_flow.fixed, shape))
  x = np.asarray(x)
  return tuple(
    None if (x == x.take([0], k)).all() else _flow.fixed(size)
    for k, size in enumerate(shape)
  )


def _live(jaxpr):
  """Returns the equations on which the results depend."""
  wanted = {id(atom) for atom in jaxpr.outvars}
  found = []
  for eqn in reversed(jaxpr.eqns):
    if any(id(var) in wanted for var in eqn.outvars):
      wanted.update(map(id, eqn.invars))
      found.append(eqn)
  return reversed(found)


def _read_one(log, eqn, operands):
  """Applies the rule of one operation."""
  name = eqn.primitive.name
  if name in _CALLS:
    return _call(log, eqn, *operands)
  if name not in _rules_shape.FOLDED:
    operands = [log.unfold(eqn, axes) for axes in operands]
  found = _RULES.get(name, _rules_linear.unknown)(log, eqn, *operands)
  found = [tuple(map(_no_unit, axes)) for axes in found]
  for axes in (*operands, *found):
    if not any(isinstance(axis, _fold.Part) for axis in axes):
      log.record(axes, name in _MOVES)
  return found


def _no_unit(axis):
  """Returns None for an axis of size 1."""
  return None if isinstance(axis, _flow.Node) and axis.size == 1 else axis


def _call(log, eqn, *operands):
  """Reads the program that is called."""
  inner = next(eqn.params[key] for key in _INNER if key in eqn.params)
  return _inner(log, eqn, inner, operands)


def _inner(log, eqn, inner, operands, index=None):
  """Reads a program within an operation, for all of an index at once."""
  jaxpr, consts = inner, ()
  if isinstance(inner, core.ClosedJaxpr):
    jaxpr, consts = inner.jaxpr, inner.consts
  with log.inside(eqn, index):
    return read(log, jaxpr, consts, operands)


def _scan(log, eqn, *operands):
  """The carry is one class in all steps; a stack's layers have an index."""
  p = eqn.params
  n, m = p['num_consts'], p['num_consts'] + p['num_carry']
  index = _flow.fixed(p['length'])
  index = log.join(eqn, [index, *(axes[0] for axes in operands[m:])])
  carry = _carried(eqn.invars[n:m], operands[n:m])
  xs = [axes[1:] for axes in operands[m:]]
  found = _inner(log, eqn, p['jaxpr'], [*operands[:n], *carry, *xs], index)
  found = [log.unfold(eqn, axes) for axes in found]
  _join_all(log, eqn, carry, found[: m - n])
  return [*carry, *((index, *axes) for axes in found[m - n :])]


def _while(log, eqn, *operands):
  """The carry is one class in all steps."""
  p = eqn.params
  n = p['cond_nconsts']
  m = n + p['body_nconsts']
  carry = _carried(eqn.invars[m:], operands[m:])
  _inner(log, eqn, p['cond_jaxpr'], [*operands[:n], *carry])
  found = _inner(log, eqn, p['body_jaxpr'], [*operands[n:m], *carry])
  _join_all(log, eqn, carry, [log.unfold(eqn, axes) for axes in found])
  return carry


def _carried(variables, operands):
  """Returns axes that any value of a loop may have."""
  shapes = map(_log.shape, variables)
  return [
    tuple(
      _no_unit(_flow.solid(axis, size))
      for axis, size in zip(axes, shape, strict=True)
    )
    for axes, shape in zip(operands, shapes, strict=True)
  ]


def _join_all(log, eqn, values, others):
  for axes, also in zip(values, others, strict=True):
    for pair in zip(axes, also, strict=True):
      log.join(eqn, pair)


def _cond(log, eqn, _, *operands):
  """The results are of one class, whichever branch they come from."""
  found = [
    [log.unfold(eqn, axes) for axes in _inner(log, eqn, branch, operands)]
    for branch in eqn.params['branches']
  ]
  return [
    tuple(log.join(eqn, column) for column in zip(*axes, strict=True))
    for axes in zip(*found, strict=True)
  ]


_MOVES = _rules_shape.FOLDED | {'cond', 'scan', 'while'}
_INNER = 'jaxpr', 'call_jaxpr', 'fun_jaxpr'
_CALLS = frozenset(
  """
  call checkpoint closed_call composite core_call core_closed_call
  custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr jit pjit remat remat2
  remat_call
  """.split()
)
_RULES = {
  **_rules_elementwise.RULES,
  **_rules_index.RULES,
  **_rules_linear.RULES,
  **_rules_shape.RULES,
  'cond': _cond,
  'scan': _scan,
  'while': _while,
}
