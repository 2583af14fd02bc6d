"""How products, convolutions and pooling relate axes."""

from jax.extend import core

from paramspace.symmetry import _flow
from paramspace.symmetry import _log

Axes = _log.Axes


def dot_general(
  log: _log.Log, eqn: core.JaxprEqn, left: Axes, right: Axes
) -> list[Axes]:
  """Contracted axes are one class, and so are batch axes."""
  contracted, batch = eqn.params['dimension_numbers']
  summed = [
    log.join(eqn, [left[i], right[j]]) for i, j in zip(*contracted, strict=True)
  ]
  out = [
    log.join(eqn, [left[i], right[j]]) for i, j in zip(*batch, strict=True)
  ]
  for axes, gone in (
    (left, (*contracted[0], *batch[0])),
    (right, (*contracted[1], *batch[1])),
  ):
    out += [axis for k, axis in enumerate(axes) if k not in gone]
  log.record([*out, *summed])
  return [tuple(out)]


def conv_general_dilated(
  log: _log.Log, eqn: core.JaxprEqn, left: Axes, right: Axes
) -> list[Axes]:
  """Channels are as in a product, by groups; places have an order."""
  p = eqn.params
  if p['batch_group_count'] != 1:
    return unknown(log, eqn, left, right)
  lhs, rhs, to = p['dimension_numbers']
  out: list[_flow.Axis] = [None] * len(to)
  out[to[0]], out[to[1]] = left[lhs[0]], right[rhs[0]]
  channels = _channels(log, eqn, left[lhs[1]], right[rhs[0]], right[rhs[1]])
  shape = _log.shape(eqn.outvars[0])
  window = _log.shape(eqn.invars[1])
  places = []
  for k, (i, j, o) in enumerate(zip(lhs[2:], rhs[2:], to[2:], strict=True)):
    still = window[j] == p['window_strides'][k] == p['lhs_dilation'][k] == 1
    if still and tuple(p['padding'][k]) == (0, 0):
      out[o] = left[i]
    else:
      _flow.pin(left[i])
      _flow.pin(right[j])
      out[o] = _flow.fixed(shape[o])
      places += [left[i], right[j]]
  runs = [axis for k, axis in enumerate(out) if k != to[1]]
  log.record([*runs, *channels, *places])
  return [tuple(out)]


def _channels(log, eqn, inputs, outputs, each):
  """Relates the channels and returns those that the operation runs over.

  Args:
    log: For notes.
    eqn: The convolution.
    inputs: All input channels.
    outputs: All output channels.
    each: The kernel's axis of input channels, those of one group.
  """
  groups = eqn.params['feature_group_count']
  if groups == 1:
    return [outputs, log.join(eqn, [inputs, each])]
  _, spec, _ = eqn.params['dimension_numbers']
  n_out, n_each, *_ = (_log.shape(eqn.invars[1])[k] for k in spec)
  outputs = _flow.solid(outputs, n_out)
  inputs = _flow.solid(inputs, groups * n_each)
  to = _flow.divide(outputs, [groups, n_out // groups])
  of = _flow.divide(inputs, [groups, n_each])
  if to is None or of is None:
    log.fix(eqn, [inputs, outputs, each], 'channels do not fit the groups')
    return [outputs, inputs]
  group = log.join(eqn, [of[0], to[0]])
  return [group, to[1], log.join(eqn, [of[1], each]) if n_each != 1 else None]


def pool(log: _log.Log, eqn: core.JaxprEqn, operand: Axes, *_) -> list[Axes]:
  """Axes on which the window is one entry pass; the others have an order."""
  p = eqn.params
  ones = (1,) * len(operand)
  names = 'window_dimensions', 'window_strides', 'base_dilation'
  sizes = zip(*(p.get(name) or ones for name in names), strict=True)
  padding = p['padding']
  moved = [
    k
    for k, (size, pads) in enumerate(zip(sizes, padding, strict=True))
    if size != (1, 1, 1) or tuple(pads) != (0, 0)
  ]
  return [_log.frozen(log, operand, moved, _log.shape(eqn.outvars[0]))]


def unknown(log: _log.Log, eqn: core.JaxprEqn, *operands: Axes) -> list[Axes]:
  """Fixes every axis, and says so."""
  out = [tuple(map(_flow.fixed, _log.shape(var))) for var in eqn.outvars]
  fixed = [axis for axes in (*operands, *out) for axis in axes]
  log.fix(eqn, fixed, 'no rule for the axes of this operation')
  return out


RULES = {
  'conv_general_dilated': conv_general_dilated,
  'dot_general': dot_general,
  'reduce_window_max': pool,
  'reduce_window_min': pool,
  'reduce_window_sum': pool,
}
