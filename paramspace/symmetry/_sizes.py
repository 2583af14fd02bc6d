"""The sizes of groups, solved from the shapes of leaves."""

from collections.abc import Mapping

from paramspace.symmetry import _axis


def solved(
  axes: Mapping[str, tuple[_axis.Axis, ...]],
  shapes: Mapping[str, tuple[int, ...]],
  given: Mapping[str, int],
) -> dict[str, tuple[_axis.Axis, ...]]:
  """Returns the axes of each leaf, with every size filled in.

  An axis with one part of unknown size tells it; each size found makes others
  tell theirs, until there is no more to find.

  Args:
    axes: By leaf name, parsed, with None for a size that is not known.
    shapes: By leaf name.
    given: By group, the sizes that are known.

  Raises:
    ValueError: Naming the leaf and the axis, where the sizes do not make the
      shape, or do not follow from it.
  """
  sizes = dict(given)
  while True:
    before = len(sizes)
    for where, axis, n in _all(axes, shapes):
      _tell(axis, n, sizes, where)
    if len(sizes) == before:
      break
  filled = {name: [] for name in axes}
  for where, axis, n in _all(axes, shapes):
    filled[where[0]].append(_filled(axis, n, sizes, where))
  return {name: tuple(full) for name, full in filled.items()}


def _all(axes, shapes):
  """Yields each axis with its size and, for messages, where it is."""
  for name, parts in axes.items():
    for k, axis in enumerate(parts):
      yield (name, k, shapes[name]), axis, shapes[name][k]


def _tell(axis, n, sizes, where):
  """Adds to `sizes` what an axis of `n` entries tells."""
  known = _size(axis, sizes)
  if known is not None:
    if known != n:
      raise _contradiction(axis, n, sizes, where)
  elif isinstance(axis, _axis.Factor):
    if axis.name is not None:
      sizes[axis.name] = n
  else:
    open_ = [part for part in axis.parts if _size(part, sizes) is None]
    if len(open_) == 1 or (len(set(open_)) == 1 and not _any(open_[0])):
      _tell(open_[0], _left(axis, n, sizes, where), sizes, where)


def _left(axis, n, sizes, where):
  """Returns the size that each part has whose size is not known."""
  known = [_size(part, sizes) for part in axis.parts]
  times = known.count(None)
  left = n
  if isinstance(axis, _axis.Concat):
    left = (n - sum(x for x in known if x is not None)) / times
  else:
    for x in known:
      left = left / x if x else left
    left = round(left ** (1 / times), 9)
  if left < 1 or left != int(left):
    raise _contradiction(axis, n, sizes, where)
  return int(left)


def _filled(axis, n, sizes, where):
  """Returns an axis of `n` entries with its sizes filled in."""
  if isinstance(axis, _axis.Factor):
    return _axis.Factor(axis.name, n)
  open_ = [part for part in axis.parts if _size(part, sizes) is None]
  if len(open_) > 1:
    name, k, shape = where
    groups = {f.name for part in open_ for f in _axis.factors(part)}
    unknown = sorted(groups - {None} - sizes.keys())
    raise ValueError(
      f'Leaf {name!r}, axis {k} of {list(shape)}: shapes do not tell the sizes '
      f"of {unknown or 'each _'}; give `sizes`, or numbers for '_'."
    )
  parts = []
  for part in axis.parts:
    own = _size(part, sizes)
    own = _left(axis, n, sizes, where) if own is None else own
    parts.append(_filled(part, own, sizes, where))
  return type(axis)(tuple(parts))


def _size(axis, sizes):
  """Returns the number of entries; None if it is not known."""
  if isinstance(axis, _axis.Factor):
    return axis.size if axis.name is None else sizes.get(axis.name)
  known = [_size(part, sizes) for part in axis.parts]
  if None in known:
    return None
  return _axis.size(type(axis)(tuple(_axis.Factor(None, n) for n in known)))


def _any(axis):
  """Whether a part of it is `_`, so that equal text is not equal size."""
  return any(f == _axis.Factor(None, None) for f in _axis.factors(axis))


def _contradiction(axis, n, sizes, where):
  name, k, shape = where
  have = {f.name: sizes[f.name] for f in _axis.factors(axis) if f.name in sizes}
  return ValueError(
    f'Leaf {name!r}, axis {k} of {list(shape)}: {_text(axis)} does not make {n}'
    f' entries with {have or "these sizes"}.'
  )


def _text(axis):
  """Returns the notation of an axis, with '_' for a size that is not known."""
  if isinstance(axis, _axis.Factor):
    fixed = '_' if axis.size is None else str(axis.size)
    return fixed if axis.name is None else axis.name
  signs = {_axis.Product: ' ', _axis.Concat: '+'}
  return f'({signs[type(axis)].join(map(_text, axis.parts))})'
