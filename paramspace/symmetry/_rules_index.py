"""How looking up and writing at computed positions relate axes."""

from jax.extend import core

from paramspace.symmetry import _flow
from paramspace.symmetry import _log

Axes = _log.Axes


def gather(
  log: _log.Log, eqn: core.JaxprEqn, operand: Axes, indices: Axes
) -> list[Axes]:
  """The axes that are looked up have an order; whole slices pass."""
  d = eqn.params['dimension_numbers']
  before, after = _log.shape(eqn.invars[0]), _log.shape(eqn.outvars[0])
  window = [
    k
    for k in range(len(operand))
    if k not in d.collapsed_slice_dims and k not in d.operand_batching_dims
  ]
  outer = list(indices[:-1])
  for k, i in zip(
    d.operand_batching_dims, d.start_indices_batching_dims, strict=True
  ):
    outer[i] = log.join(eqn, [operand[k], outer[i]])
  out: list[_flow.Axis] = [None] * len(after)
  for at, k in zip(d.offset_dims, window, strict=True):
    if after[at] == before[k] and k not in d.start_index_map:
      out[at] = operand[k]
    else:
      _flow.pin(operand[k])
      out[at] = _flow.fixed(after[at])
  for k in d.collapsed_slice_dims:
    _flow.pin(operand[k])
  rest = [k for k in range(len(after)) if k not in d.offset_dims]
  for at, axis in zip(rest, outer, strict=True):
    out[at] = axis
  _flow.pin(indices[-1])
  log.record([*out, *(axis for axis in operand if axis not in out)])
  return [tuple(out)]


def scatter(
  log: _log.Log, eqn: core.JaxprEqn, operand: Axes, indices: Axes, updates: Axes
) -> list[Axes]:
  """The axes that are written at have an order; whole slices pass."""
  d = eqn.params['dimension_numbers']
  before, given = _log.shape(eqn.invars[0]), _log.shape(eqn.invars[2])
  out = [_flow.solid(a, n) for a, n in zip(operand, before, strict=True)]
  apart = [
    k
    for k in range(len(operand))
    if k in d.inserted_window_dims or k in d.operand_batching_dims
  ]
  window = [k for k in range(len(operand)) if k not in apart]
  loose = [*indices, *updates]
  for at, k in zip(d.update_window_dims, window, strict=True):
    whole = k not in d.scatter_dims_to_operand_dims
    if whole and given[at] == before[k]:
      out[k] = log.join(eqn, [out[k], updates[at]])
      loose.remove(updates[at])
    else:
      _flow.pin(out[k])
  for axis in [*loose, *(out[k] for k in apart)]:
    _flow.pin(axis)
  log.record([*out, *loose])
  return [tuple(out)]


def dynamic_slice(
  log: _log.Log, eqn: core.JaxprEqn, operand: Axes, *_
) -> list[Axes]:
  """Axes that are taken whole pass; the others have an order."""
  before, after = _log.shape(eqn.invars[0]), _log.shape(eqn.outvars[0])
  moved = [k for k in range(len(after)) if before[k] != after[k]]
  return [_log.frozen(log, operand, moved, after)]


def dynamic_update_slice(
  log: _log.Log, eqn: core.JaxprEqn, operand: Axes, update: Axes, *_
) -> list[Axes]:
  """Axes that are written whole are one class; the others have an order."""
  shapes = [_log.shape(var) for var in eqn.invars[:2]]
  axes, moved = list(operand), []
  for k, (whole, part) in enumerate(zip(*shapes, strict=True)):
    if whole == part:
      axes[k] = log.join(eqn, [operand[k], update[k]])
    else:
      _flow.pin(update[k])
      moved.append(k)
  log.record([*operand, *(update[k] for k in moved)])
  return [_log.frozen(log, tuple(axes), moved, shapes[0])]


RULES = {
  'dynamic_slice': dynamic_slice,
  'dynamic_update_slice': dynamic_update_slice,
  'gather': gather,
  **dict.fromkeys(
    [
      'scatter',
      'scatter-add',
      'scatter_add',
      'scatter-max',
      'scatter-min',
      'scatter-mul',
      'scatter-sub',
    ],
    scatter,
  ),
}
