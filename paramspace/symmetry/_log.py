"""What is kept while a program is read."""

import contextlib
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator

import jax
from jax.extend import core

from paramspace.symmetry import _flow
from paramspace.symmetry import _fold

Axes = tuple[_flow.Axis, ...]

_JAX = pathlib.Path(jax.__file__).parent


class Log:
  """What was seen of a program so far.

  Attributes:
    records: The axes of each value that is computed with, and of each index
      that an operation runs over. A value in the body of a loop has the loop's
      index as well.
    moved: Of the values that are only taken apart, transposed or passed on.
    met: When each axis was recorded first.
    notes: What was fixed because nothing is known of it.
  """

  def __init__(self):
    self.records: list[Axes] = []
    self.moved: list[Axes] = []
    self.met: dict[_flow.Axis, int] = {}
    self.notes: dict[str, None] = {}
    self._loops: Axes = ()
    self._calls: tuple[core.JaxprEqn, ...] = ()

  def record(self, axes: Iterable[_flow.Axis], moved: bool = False) -> None:
    """Keeps the axes of one value."""
    axes = (*axes, *self._loops)
    (self.moved if moved else self.records).append(axes)
    for axis in axes:
      self.met.setdefault(axis, len(self.met))

  @contextlib.contextmanager
  def inside(
    self, eqn: core.JaxprEqn, index: _flow.Axis = None
  ) -> Iterator[None]:
    """Says that what follows is called by `eqn`, once for each index."""
    before = self._calls, self._loops
    self._calls = (*self._calls, eqn)
    self._loops = (*self._loops, index)
    yield
    self._calls, self._loops = before

  def join(self, eqn: core.JaxprEqn, axes: Iterable[_flow.Axis]) -> _flow.Axis:
    """Unifies axes of one size and returns them as one."""
    nodes = [axis for axis in axes if axis is not None]
    free = _free(nodes)
    if not all([_flow.unify(nodes[0], node) for node in nodes[1:]]) and free:
      self._note(eqn, 'parts of axes that should permute alike do not fit')
    return nodes[0] if nodes else None

  def fix(
    self, eqn: core.JaxprEqn, axes: Iterable[_flow.Axis], why: str
  ) -> None:
    """Fixes axes of which a rule can say no more, and notes it."""
    nodes = [axis for axis in axes if axis is not None]
    if _free(nodes):
      self._note(eqn, why)
    _flow.spoil(*nodes)

  def unfold(self, eqn: core.JaxprEqn, axes: _fold.Axes) -> Axes:
    """Divides the axes that wait for it."""
    axes, failed = _fold.divided(axes)
    self.fix(
      eqn, failed, 'parts of axes do not fit those of earlier operations'
    )
    return axes

  def _note(self, eqn, why):
    eqns = (*self._calls, eqn)
    names = '/'.join(
      filter(None, (str(e.source_info.name_stack) for e in eqns))
    )
    place = eqn.primitive.name + (f' in {names}' if names else '') + _line(eqns)
    self.notes[f'{place}: {why}; they stay'] = None


def _free(nodes):
  """Whether something about the axes is not fixed."""
  return any(not atom.pinned for node in nodes for atom in _flow.atoms(node))


def _line(eqns):
  """Returns the line of the program, outside of JAX, if that is known."""
  for eqn in reversed(eqns):
    for frame in getattr(eqn.source_info.traceback, 'frames', ()):
      path = pathlib.Path(frame.file_name)
      if not path.is_relative_to(_JAX):
        return f' ({path.name}:{frame.line_num})'
  return ''


def shape(variable: core.Var) -> tuple[int, ...]:
  """Returns the shape of a value."""
  return getattr(variable.aval, 'shape', ())


def frozen(
  log: Log, axes: Axes, which: Iterable[int], out: tuple[int, ...]
) -> Axes:
  """Fixes some axes of a value, among which an operation mixes entries.

  Args:
    log: Records that the operation runs over the old and the new axes at once,
      so that nothing can depend on the index of one of them.
    axes: Of the operand.
    which: Those to be fixed.
    out: The shape of the result.

  Returns:
    Of the result, with new axes in their place.
  """
  which = set(which)
  for k in which:
    _flow.pin(axes[k])
  fresh = [_flow.fixed(out[k]) if k in which else None for k in range(len(out))]
  log.record([*axes, *fresh])
  return tuple(fresh[k] if k in which else axis for k, axis in enumerate(axes))
