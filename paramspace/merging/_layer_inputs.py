"""What every kernel of a model is multiplied with, found in its program."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from paramspace import base
from paramspace import trees

# Calls of another program, and the parameter that holds it.
CALLS = {
  'jit': 'jaxpr',
  'pjit': 'jaxpr',
  'closed_call': 'call_jaxpr',
  'custom_jvp_call': 'call_jaxpr',
  'custom_vjp_call': 'call_jaxpr',
  'remat2': 'jaxpr',
  'checkpoint': 'jaxpr',
}


def layer_inputs(
  apply: Callable[..., Any], params: base.Params, *inputs: Any
) -> dict[str, jax.Array]:
  r"""Returns the inputs x of every product x W with a leaf W.

  The program of `apply` is run once, and what meets a leaf in a product is
  kept. It needs to know nothing of how the model is written, and goes through
  `jit`.

  Args:
    apply: `(params, *inputs)`, to anything.
    params: A tree.
    *inputs: Those of a batch.

  Returns:
    By leaf, `[..., in]`: all axes that are multiplied are one, as in the
    matrices of RegMean. Leaves that are no such factor, or factors in several
    products, in convolutions, or inside a loop such as `scan`, are not there.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import merging
    >>> apply = lambda p, x: jax.nn.relu(x @ p['a']) @ p['b']
    >>> params = {'a': jnp.array([[1.0, -1.0]]), 'b': jnp.ones((2, 3))}
    >>> merging.layer_inputs(apply, params, jnp.array([[2.0]]))['b']
    Array([[2., 0.]], dtype=float32)
  """
  leaves = trees.floating(params)
  names = list(leaves)
  run = lambda values, *inputs: apply(
    trees.replace(params, dict(zip(names, values, strict=True))), *inputs
  )
  values = list(leaves.values())
  program = jax.make_jaxpr(run)(values, *inputs)
  arguments = [*values, *jax.tree.leaves(inputs)]
  labels = [*names, *[None] * (len(arguments) - len(names))]
  found = {}
  _walk(program.jaxpr, program.consts, arguments, labels, found)
  return {n: xs[0] for n, xs in found.items() if len(xs) == 1}


def _walk(
  program: Any, consts: Any, arguments: list, labels: list, found: dict
) -> tuple[list, list]:
  """Runs a program; `labels` say which values are leaves.

  Returns:
    The results and their labels.
  """
  values = dict(zip(program.constvars, consts, strict=True))
  values |= zip(program.invars, arguments, strict=True)
  leaf = dict(zip(program.invars, labels, strict=True))
  read = lambda v: v.val if isinstance(v, core.Literal) else values[v]
  label = lambda v: None if isinstance(v, core.Literal) else leaf.get(v)
  for step in program.eqns:
    given, marks = [*map(read, step.invars)], [*map(label, step.invars)]
    name, out_marks = step.primitive.name, [None] * len(step.outvars)
    if name in CALLS:
      inner = step.params[CALLS[name]]
      consts = getattr(inner, 'consts', ())
      inner = getattr(inner, 'jaxpr', inner)
      out, out_marks = _walk(inner, consts, given, marks, found)
    else:
      if name == 'dot_general':
        _keep(given, marks, step.params['dimension_numbers'], found)
      elif name in ('convert_element_type', 'copy'):
        out_marks = marks  # A cast leaf is the same leaf.
      out = step.primitive.bind(*given, **step.params)
      out = out if step.primitive.multiple_results else [out]
    values |= zip(step.outvars, out, strict=True)
    leaf |= zip(step.outvars, out_marks, strict=True)
  return [*map(read, program.outvars)], [*map(label, program.outvars)]


def _keep(given: list, marks: list, numbers: Any, found: dict) -> None:
  """Keeps what is multiplied with a leaf, its contracted axes last and one."""
  contracted, batched = numbers
  for side, other in ((0, 1), (1, 0)):
    if marks[side] is None:
      continue
    factors = found.setdefault(marks[side], [])
    pairs = sorted(zip(contracted[side], contracted[other], strict=True))
    if batched[side] or [mine for mine, _ in pairs] != [*range(len(pairs))]:
      factors += [None, None]  # No matrix `[in, out]`.
      continue
    x, axes = given[other], [theirs for _, theirs in pairs]
    rows = jnp.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))
    size = math.prod(x.shape[axis] for axis in axes)
    factors.append(rows.reshape(*rows.shape[: x.ndim - len(axes)], size))
