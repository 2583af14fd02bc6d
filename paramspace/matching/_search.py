"""Where a search over group elements stands, and its moves."""

import types
from collections.abc import Callable
from collections.abc import Iterable

import numpy as np

from paramspace import symmetry
from paramspace.matching import _clock
from paramspace.matching import _host
from paramspace.matching import _plan

# By group, where the entries come from, relative to where the search stands.
Step = dict[str, np.ndarray]


def add(total: dict, group: str, x) -> None:
  """Adds to the sum of a group."""
  total[group] = total[group] + x if group in total else x


class Search:
  """Two models, the second permuted so far, and what blocks say of families.

  What a block says of a family depends on the other families of the block
  alone, and is computed again only after one of them has moved; where few of
  its entries have, only the difference is.

  Attributes:
    plan: The plan.
    arrays: The module that computes with blocks.
    a: The blocks of the first model.
    b: Those of the second, permuted.
    each: A `map` over all cores.
    clock: What the time goes to.
    element: How they are permuted, `int32[*over, size]` by group.
    changed: How often what is said of a family may have changed.
  """

  FEW = 3  # The difference is computed where at most 1 / FEW has moved.

  def __init__(
    self,
    plan: _plan.Plan,
    arrays: types.ModuleType,
    a: list,
    b: list,
    each: Callable[..., Iterable] = map,
    clock: _clock.Clock | None = None,
  ):
    self.plan, self.arrays, self.each = plan, arrays, each
    self.clock = clock or _clock.Clock()
    self.a, self.b = a, list(b)
    self.element = {
      name: np.broadcast_to(np.arange(shape[-1], dtype=np.int32), shape)
      for name, shape in symmetry.shapes(plan.spec).items()
    }
    self.changed = dict.fromkeys(plan.families, 0)
    self._said = {}

  def copy(self) -> 'Search':
    """Returns a search at the identity that has heard what this one has."""
    blocks = self.a, self.b
    other = Search(self.plan, self.arrays, *blocks, self.each, self.clock)
    other._said = self._said.copy()
    return other

  def objective(self) -> float:
    """Returns the inner product of the two models."""
    return sum(self.each(self.arrays.dot, self.a, self.b))

  def said(self, block: int, term: _plan.Term):
    """Returns what a block says of a family now, `[*batch, *own, *own]`."""
    key = block, term
    if key not in self._said:
      a, b = self.a[block], self.b[block]
      self._said[key] = self.arrays.pairs(a, b, term.batch, term.own)
    return self._said[key]

  def evidence(self, families: list[str]) -> dict[str, dict]:
    """Returns what all blocks say of some families, summed by group."""
    wanted = [
      (block, term)
      for family in families
      for block in self.plan.found[family]
      for term in self.plan.terms[block]
      if term.family == family
    ]
    total = {family: {} for family in families}
    with self.clock('products'):
      found = list(self.each(lambda key: self.said(*key), wanted))
      for (_, term), x in zip(wanted, found, strict=True):
        add(total[term.family], term.group, x)
    return total

  def start(self, element: symmetry.Element) -> None:
    """Goes to an element, from the identity."""
    for name, family in self.plan.families.items():
      groups = [g for g in (family.outer, *family.inner) if g]
      self.move(name, {g: np.asarray(element[g]) for g in groups})

  def move(self, family: str, step: Step) -> None:
    """Permutes by `step` more."""
    if all((x == np.arange(x.shape[-1])).all() for x in step.values()):
      return
    where = self.plan.found[family]
    list(self.each(lambda block: self._move_block(family, block, step), where))
    for block in where:
      for term in self.plan.terms[block]:
        if term.family != family or family in self.plan.twice:
          self.changed[term.family] += 1
    for group in self.element:
      self.element[group] = self._carried(group, step)
    for group, moved in step.items():
      before = self.element[group]
      self.element[group] = np.take_along_axis(before, moved, -1)

  def _carried(self, group: str, step: Step) -> np.ndarray:
    """Returns a permutation where the indices it depends on have moved."""
    groups, x = self.plan.spec.groups, self.element[group]
    over = groups[group].over
    froms = step.keys() & set(over)
    for o in sorted(froms, key=lambda o: len(groups[o].over)):
      at = [over.index(other) for other in groups[o].over]
      x = _host.take_each(x, over.index(o), at, step[o])
    return x

  def moved(self, family: str, block: int, step: Step):
    """Returns the second model's block after `step`."""
    x, done = self.b[block], set()
    outer = self.plan.families[family].outer
    terms = [t for t in self.plan.terms[block] if t.family == family]
    for term in terms:
      if outer and term.own[0] not in done:
        x = self._take_outer(
          x, term.own[0], _plan.outer_axes(self.plan, term), step[outer]
        )
        done.add(term.own[0])
    for term in terms:
      if term.group != outer and term.group in step:
        over = _plan.over_axes(self.plan, term)
        x = self.arrays.take_each(x, term.own[-1], over, step[term.group])
    return x

  def _move_block(self, family, block, step):
    before, after = self.b[block], self.moved(family, block, step)
    self.b[block] = after
    terms = self.plan.terms[block]
    few = self._few(family, block, step)
    for term in terms:
      key = block, term
      if key not in self._said:
        continue
      if term.family == family:
        if family in self.plan.twice:
          del self._said[key]
        else:
          self._said[key] = self._relabelled(term, self._said[key], step)
      elif few is None:
        del self._said[key]
      else:
        axis, moved = few
        part = [np.take(x, moved, axis) for x in (self.a[block], after)]
        part[1] -= np.take(before, moved, axis)
        change = self.arrays.pairs(*part, term.batch, term.own)
        self._said[key] = self._said[key] + change

  def _few(self, family, block, step):
    """Returns the axis and the entries that move if few do, on the host."""
    terms = [t for t in self.plan.terms[block] if t.family == family]
    if self.arrays is not _host or len(terms) > 1 or len(step) > 1:
      return None
    (step,) = step.values()
    if step.ndim > 1:
      return None
    moved = np.flatnonzero(step != np.arange(len(step)))
    axis = terms[0].own[0]
    return (axis, moved) if len(moved) * self.FEW <= len(step) else None

  def _relabelled(self, term, said, step):
    """Returns what was said of a family, after it has moved itself."""
    outer = self.plan.families[term.family].outer
    axis = said.ndim - 1
    if outer:
      at = axis if term.group == outer else axis - 1
      said = self._take_outer(
        said, at, _plan.outer_places(self.plan, term), step[outer]
      )
    if term.group == outer or term.group not in step:
      return said
    over = _plan.over_places(self.plan, term, said.ndim)
    return self.arrays.take_each(said, axis, over, step[term.group])

  def _take_outer(self, x, axis, over, index):
    if over:
      return self.arrays.take_each(x, axis, over, index)
    return self.arrays.take(x, axis, index)

  def gain(self, family: str, step: Step) -> float:
    """Returns what `step` would add to the objective."""
    dot, where = self.arrays.dot, self.plan.found[family]
    after = sum(dot(self.a[i], self.moved(family, i, step)) for i in where)
    return after - sum(dot(self.a[i], self.b[i]) for i in where)
