"""How operations that only move entries relate axes."""

from collections.abc import Iterator
from collections.abc import Sequence

from jax.extend import core

from paramspace.symmetry import _flow
from paramspace.symmetry import _fold
from paramspace.symmetry import _log

Axes = _log.Axes


def broadcast_in_dim(
  log: _log.Log, eqn: core.JaxprEqn, operand: Axes, *_
) -> list[Axes]:
  """Values are constant along new axes and along those of size 1."""
  out = [None] * len(eqn.params['shape'])
  for axis, k in zip(operand, eqn.params['broadcast_dimensions'], strict=True):
    out[k] = axis
  return [tuple(out)]


def transpose(
  log: _log.Log, eqn: core.JaxprEqn, operand: _fold.Axes
) -> list[_fold.Axes]:
  """Axes in another order."""
  return [tuple(operand[k] for k in eqn.params['permutation'])]


def squeeze(
  log: _log.Log, eqn: core.JaxprEqn, operand: _fold.Axes
) -> list[_fold.Axes]:
  """Axes of size 1 left out."""
  gone = eqn.params['dimensions']
  return [tuple(axis for k, axis in enumerate(operand) if k not in gone)]


def reshape(
  log: _log.Log, eqn: core.JaxprEqn, operand: Axes, *_
) -> list[_fold.Axes]:
  """Axes merged into products, and products to be taken apart."""
  before, after = _log.shape(eqn.invars[0]), _log.shape(eqn.outvars[0])
  if 0 in after:
    return [tuple(map(_flow.fixed, after))]
  out = [None] * len(after)
  for old, new in _runs(before, after):
    if any(operand[k] is not None for k in old):
      whole = _flow.product([_flow.solid(operand[k], before[k]) for k in old])
      parts = _fold.Fold(whole, [after[k] for k in new]).parts()
      for k, part in zip(new, parts, strict=True):
        out[k] = part
  return [tuple(out)]


def _runs(
  before: Sequence[int], after: Sequence[int]
) -> Iterator[tuple[list[int], list[int]]]:
  """Yields the shortest runs of axes, before and after, of equal sizes."""
  olds = [k for k, size in enumerate(before) if size != 1]
  news = [k for k, size in enumerate(after) if size != 1]
  while olds:
    old, new = [olds.pop(0)], [news.pop(0)]
    m, n = before[old[0]], after[new[0]]
    while m != n:
      if m < n:
        old.append(olds.pop(0))
        m *= before[old[-1]]
      else:
        new.append(news.pop(0))
        n *= after[new[-1]]
    yield old, new


def concatenate(
  log: _log.Log, eqn: core.JaxprEqn, *operands: Axes
) -> list[Axes]:
  """Each segment keeps its own permutations."""
  at = eqn.params['dimension']
  out = [
    log.join(eqn, column) if k != at else None
    for k, column in enumerate(zip(*operands, strict=True))
  ]
  sizes = [_log.shape(var)[at] for var in eqn.invars]
  segments = map(_flow.solid, (axes[at] for axes in operands), sizes)
  out[at] = _flow.concat(list(segments))
  return [tuple(out)]


def stack(log: _log.Log, eqn: core.JaxprEqn, *operands: Axes) -> list[Axes]:
  """The new axis tells the operands apart."""
  out = [log.join(eqn, column) for column in zip(*operands, strict=True)]
  at = eqn.params['axis']
  return [(*out[:at], _flow.fixed(len(operands)), *out[at:])]


def split(
  log: _log.Log, eqn: core.JaxprEqn, operand: _fold.Axes
) -> list[_fold.Axes]:
  """Segments at known boundaries."""
  sizes = tuple(int(size) for size in eqn.params['sizes'])
  return _segments(log, eqn, operand, eqn.params['axis'], sizes)


def unstack(
  log: _log.Log, eqn: core.JaxprEqn, operand: _fold.Axes
) -> list[_fold.Axes]:
  """Segments of size 1, without their axis."""
  at = eqn.params['axis']
  found = _segments(log, eqn, operand, at, (1,) * len(eqn.outvars))
  return [(*axes[:at], *axes[at + 1 :]) for axes in found]


def slice_(
  log: _log.Log, eqn: core.JaxprEqn, operand: _fold.Axes
) -> list[_fold.Axes]:
  """The segment from one index to another; every n-th entry of a factor."""
  shape = _log.shape(eqn.invars[0])
  starts, stops = eqn.params['start_indices'], eqn.params['limit_indices']
  strides = eqn.params['strides'] or (1,) * len(shape)
  for k, size in enumerate(shape):
    start, stop, stride = int(starts[k]), int(stops[k]), int(strides[k])
    if operand[k] is None or (start, stop, stride) == (0, size, 1):
      continue
    if stride == 1:
      sizes = (start, stop - start, size - stop)
      operand = _segments(log, eqn, operand, k, sizes)[1]
    else:
      operand = _every(log, eqn, operand, k, stride)
  return [operand]


def _segments(log, eqn, axes, k, sizes):
  """Cuts a value, and fixes the axis where that is not possible."""
  if axes[k] is None:
    return [axes] * len(sizes)
  found = _fold.segments(axes, k, sizes)
  if not found:
    axes = log.unfold(eqn, axes)
    found = _fold.segments(axes, k, sizes)
  if not found:
    log.fix(eqn, [axes[k]], 'parts of axes do not fit the segments')
    found = [(*axes[:k], _flow.fixed(size), *axes[k + 1 :]) for size in sizes]
  return found


def _every(log, eqn, axes, k, stride):
  """Takes every n-th entry, as where rotary positions are interleaved."""
  axes = log.unfold(eqn, axes)
  size, out = _log.shape(eqn.invars[0])[k], _log.shape(eqn.outvars[0])
  factors = None
  if size == out[k] * stride:
    factors = _flow.divide(axes[k], [out[k], stride])
  if factors is None:
    return _log.frozen(log, axes, [k], out)
  _flow.spoil(factors[1])
  return (*axes[:k], factors[0], *axes[k + 1 :])


def pad(log: _log.Log, eqn: core.JaxprEqn, operand: Axes, *_) -> list[Axes]:
  """Padding is constant, so it may be permuted within itself."""
  out, shape = list(operand), _log.shape(eqn.outvars[0])
  for k, (low, high, inner) in enumerate(eqn.params['padding_config']):
    size = _log.shape(eqn.invars[0])[k]
    if (low, high, inner) == (0, 0, 0):
      continue
    if min(low, high) < 0 or inner:
      out[k] = _log.frozen(log, tuple(operand), [k], shape)[k]
    else:
      sizes = int(low), size, int(high)
      axes = None, operand[k], None
      out[k] = _flow.concat(list(map(_flow.solid, axes, sizes)))
  return [tuple(out)]


def rev(log: _log.Log, eqn: core.JaxprEqn, operand: Axes) -> list[Axes]:
  """The other order is another permutation."""
  which = [k for k in eqn.params['dimensions'] if operand[k] is not None]
  return [_log.frozen(log, operand, which, _log.shape(eqn.outvars[0]))]


def tile(log: _log.Log, eqn: core.JaxprEqn, operand: Axes, *_) -> list[Axes]:
  """A repeated axis is a factor beside the number of the repeat."""
  out = list(operand)
  for k, repeats in enumerate(eqn.params['reps']):
    if operand[k] is not None:
      out[k] = _flow.product([_flow.Node(int(repeats)), operand[k]])
  return [tuple(out)]


RULES = {
  'broadcast_in_dim': broadcast_in_dim,
  'concatenate': concatenate,
  'pad': pad,
  'reshape': reshape,
  'rev': rev,
  'slice': slice_,
  'split': split,
  'squeeze': squeeze,
  'stack': stack,
  'tile': tile,
  'transpose': transpose,
  'unstack': unstack,
}

# Rules that take axes as they are, which are yet to be divided.
FOLDED = frozenset(['slice', 'split', 'squeeze', 'transpose', 'unstack'])
