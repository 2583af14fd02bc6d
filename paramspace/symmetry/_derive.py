"""A specification from the program alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _axis
from paramspace.symmetry import _flow
from paramspace.symmetry import _fold
from paramspace.symmetry import _log
from paramspace.symmetry import _read
from paramspace.symmetry import _spec
from paramspace.symmetry import _wreath


def derive(
  apply: Callable[..., Any], params: base.Params, *inputs: Any
) -> _spec.Spec:
  """Returns the permutations of parameters that leave a function as it is.

  The program of `apply` is read, not run: each axis of each value belongs to a
  class of axes that must be permuted alike. Operations unify classes, split
  them into products (heads, groups, a flattened image) and concatenations
  (fused projections, skip connections), or fix them. What is left free is a
  group. Inputs and outputs are fixed, and so is all that an operation touches
  of which nothing is known; the specification's notes say where.

  Args:
    apply: `apply(params, *inputs)`, a function that JAX can trace.
    params: A tree; batch statistics are part of it, as in `{'params': ...,
      'batch_stats': ...}`. Only shapes and dtypes are looked at.
    *inputs: Arrays, or their shapes and dtypes, in trees.

  Returns:
    A specification. A group has the name of the first matrix that has it, of
    its axis, and of a part of that axis if there are several:
    `Dense_0/kernel:1`, `qkv/kernel:1.5`. Within heads and groups, and in the
    layers of a stack, the permutation depends on the index of those if the
    whole program allows it.

  Raises:
    ValueError: If two leaves have one name; and what `apply` raises.

  Example:
    >>> import jax.numpy as jnp
    >>> params = {'v': jnp.ones([2, 8]), 'w': jnp.ones([8, 3])}
    >>> spec = derive(lambda p, x: jnp.tanh(x @ p['v']) @ p['w'], params,
    ...   jnp.ones([1, 2]))
    >>> spec.groups
    {'v:1': Group(size=8, over=(), moves=True)}
    >>> spec.leaves['w']
    (Factor(name='v:1', size=8), Factor(name=None, size=3))

  Note: It is sound, as far as the rules are (`verify` measures it), and not
    always complete: `complete` looks for what was missed.

  References:
    Ainsworth, Hayase and Srinivasa (2022), Git Re-Basin: Merging Models modulo
    Permutation Symmetries, https://arxiv.org/abs/2209.04836: section 3, where
    the specification is written by hand for each architecture.
  """
  closed = jax.make_jaxpr(apply)(*_shapes((params, *inputs)))
  log = _log.Log()
  variables, names = closed.jaxpr.invars, list(trees.named(params))
  leaves = dict(zip(names, map(_free, variables), strict=False))
  given = [
    tuple(map(_flow.fixed, _log.shape(var))) for var in variables[len(names) :]
  ]
  operands = [*leaves.values(), *given]
  for axes in _read.read(log, closed.jaxpr, closed.consts, operands):
    for axis in axes:
      _flow.pin(axis.whole if isinstance(axis, _fold.Part) else axis)
  return _built(log, leaves)


def _shapes(tree):
  """Returns a tree with shapes and dtypes in place of arrays."""
  return jax.tree.map(
    lambda x: (
      jax.ShapeDtypeStruct(x.shape, x.dtype) if hasattr(x, 'dtype') else x
    ),
    tree,
  )


def _free(variable):
  """Returns the axes of a leaf, fixed if it is not of floating point."""
  shape, dtype = _log.shape(variable), variable.aval.dtype
  if not jnp.issubdtype(dtype, jnp.inexact):
    return tuple(map(_flow.fixed, shape))
  return tuple(_flow.Node(size) if size != 1 else None for size in shape)


def _built(log, leaves):
  """Returns what was found as a specification."""
  names = _names(_in_order(log, leaves))
  _fix_unused(log, leaves)
  over = _wreath.depends([*log.records, *log.moved], list(names))
  depended = {other for others in over.values() for other in others}
  kept = {a: n for a, n in names.items() if not a.pinned or a in depended}
  groups = {
    name: _spec.Group(
      atom.size,
      tuple(names[other] for other in over.get(atom, ())),
      not atom.pinned,
    )
    for atom, name in kept.items()
  }
  axes = {
    leaf: tuple(
      _axis.Factor(None, 1) if node is None else _axis_of(node, kept)
      for node in nodes
    )
    for leaf, nodes in leaves.items()
  }
  return _spec.checked(_spec.Spec(groups, axes, tuple(log.notes)))


def _in_order(log, leaves):
  """Returns the leaves as the program uses them."""

  def first(item):
    return min((log.met.get(node, -1) for node in item[1] if node), default=-1)

  return dict(sorted(leaves.items(), key=first))


def _fix_unused(log, leaves):
  """Fixes what nothing is computed with, which any permutation would leave."""
  used = {_flow.find(axis) for axes in log.records for axis in axes if axis}
  used = {atom for node in used for atom in _flow.atoms(node)}
  for leaf, axes in leaves.items():
    atoms = [atom for node in axes if node for atom in _flow.atoms(node)]
    unused = [a for a in atoms if a not in used and not a.pinned and a.size > 1]
    if unused:
      part = 'it' if len(unused) == len(atoms) else 'a part of it'
      log.notes[f'{leaf}: the function does not use {part}; it stays'] = None
      _flow.spoil(*unused)


def _names(leaves):
  """Names each class after the first matrix that has it, or else vector."""
  found = {}
  for leaf, axes in sorted(leaves.items(), key=lambda item: len(item[1]) < 2):
    for k, axis in enumerate(axes):
      atoms = _flow.atoms(axis) if axis is not None else []
      for j, atom in enumerate(atoms):
        part = f'.{j}' if len(atoms) > 1 else ''
        if atom.size > 1:
          found.setdefault(atom, f'{leaf}:{k}{part}')
  return found


def _axis_of(node, names):
  """Returns an axis of a specification; fixed parts side by side are one."""
  node = _flow.find(node)
  if node.kind == 'atom':
    return _axis.Factor(names.get(node), node.size)
  parts = []
  for part in _flow.flat(node, node.kind):
    part = _axis_of(part, names)
    both = [*parts[-1:], part]
    if len(both) == 2 and all(_is_fixed(p) for p in both):
      kind = _axis.Product if node.kind == 'product' else _axis.Concat
      part = _axis.Factor(None, _axis.size(kind(tuple(both))))
      parts.pop()
    parts.append(part)
  if len(parts) == 1:
    return parts[0]
  if node.kind == 'product':
    return _axis.Product(tuple(parts))
  return _axis.Concat(tuple(parts))


def _is_fixed(axis):
  return isinstance(axis, _axis.Factor) and axis.name is None
