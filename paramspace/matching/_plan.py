"""Which parts of which leaves have to do with which groups."""

import itertools
from typing import NamedTuple

import numpy as np

from paramspace import symmetry
from paramspace.matching import _still


class Block(NamedTuple):
  """A part of a leaf of which every axis is one factor.

  Attributes:
    leaf: The name of the leaf.
    index: Where on each axis of the leaf it is; None where it is all of it.
    factors: One for each axis of the block.
    origins: Which axis of the leaf each comes from.
  """

  leaf: str
  index: tuple[np.ndarray, ...] | None
  factors: tuple[symmetry.Factor, ...]
  origins: tuple[int, ...]

  @property
  def shape(self) -> tuple[int, ...]:
    return tuple(factor.size for factor in self.factors)


class Family(NamedTuple):
  """Groups that are assigned together.

  Attributes:
    outer: A group whose indices others depend on; None where there is none.
    inner: The groups of which there is one for each index of `outer`, or of
      what does not move. Both may be there for each index of that too.
  """

  outer: str | None
  inner: tuple[str, ...] = ()

  @property
  def name(self) -> str:
    return self.outer or self.inner[0]


class Term(NamedTuple):
  """What a block says of a family: for each pair of indices a number.

  Attributes:
    family: The name of the family.
    group: The group that the pairs are of.
    batch: The axes of indices that are not paired.
    own: The axes that are: of the outer group, if any, and of the group.
  """

  family: str
  group: str
  batch: tuple[int, ...]
  own: tuple[int, ...]


class Plan(NamedTuple):
  """A specification as a matching needs it.

  Attributes:
    spec: The specification.
    blocks: The parts of all leaves that count.
    families: By name.
    terms: For each block, what it says.
    found: By family, the blocks that say something.
    twice: The families that some block has more than once, as in P W P^T: what
      such a block says holds only as long as its other axis stays.
  """

  spec: symmetry.Spec
  blocks: tuple[Block, ...]
  families: dict[str, Family]
  terms: tuple[tuple[Term, ...], ...]
  found: dict[str, tuple[int, ...]]
  twice: frozenset[str]


def plan(spec: symmetry.Spec, leaves: dict[str, tuple[int, ...]]) -> Plan:
  """Returns the plan of the leaves given by name with their shapes."""
  blocks = tuple(
    itertools.chain.from_iterable(
      _take_apart(name, spec.leaves[name], shape)
      for name, shape in leaves.items()
    )
  )
  families = {family.name: family for family in _families(spec)}
  terms = tuple(tuple(_terms(spec, families, block)) for block in blocks)
  found = {
    name: tuple(
      i for i, those in enumerate(terms) if name in {t.family for t in those}
    )
    for name in families
  }
  twice = {
    name
    for name, where in found.items()
    if any(sum(t.family == name for t in terms[i]) > 1 for i in where)
  }
  return Plan(spec, blocks, families, terms, found, frozenset(twice))


def _take_apart(name, axes, shape):
  """Yields the blocks of a leaf."""
  parts = [
    symmetry.blocks((axis,), np.arange(n))
    for axis, n in zip(axes, shape, strict=True)
  ]
  whole = all(len(those) == 1 for those in parts)
  for chosen in itertools.product(*parts):
    yield Block(
      name,
      None if whole else tuple(at.reshape(-1) for _, at in chosen),
      tuple(itertools.chain.from_iterable(those for those, _ in chosen)),
      tuple(k for k, (those, _) in enumerate(chosen) for _ in those),
    )


def _families(spec):
  """Yields the families, each group that moves in one of them."""
  inner = {name: [] for name, group in spec.groups.items() if group.moves}
  for name, group in spec.groups.items():
    moving = [over for over in group.over if spec.groups[over].moves]
    if group.moves and len(moving) == 1:
      inner[moving[0]].append(name)
  nested = set(itertools.chain.from_iterable(inner.values()))
  for name, within in inner.items():
    if within or not spec.groups[name].over:
      yield Family(name, tuple(within))
    elif name not in nested:
      yield Family(None, (name,))


def _terms(spec, families, block):
  """Yields what a block says."""
  of = {g: f for f in families.values() for g in (f.outer, *f.inner) if g}
  within = set()
  for axis, factor in enumerate(block.factors):
    family = of.get(factor.name)
    if family is not None and factor.name != family.outer:
      index = {
        over: index_of(block, axis, over)
        for over in spec.groups[factor.name].over
      }
      own = (axis,)
      if family.outer:
        own = (index.pop(family.outer), axis)
        within.add(own[0])
      yield Term(family.name, factor.name, tuple(index.values()), own)
  for axis, factor in enumerate(block.factors):
    family = of.get(factor.name)
    if family and factor.name == family.outer and axis not in within:
      over = spec.groups[factor.name].over
      batch = tuple(index_of(block, axis, o) for o in over)
      yield Term(family.name, factor.name, batch, (axis,))


def index_of(block: Block, axis: int, over: str) -> int:
  """Returns the axis that tells the index `over` of the factor on `axis`."""
  those = [k for k, f in enumerate(block.factors) if f.name == over]
  near = [k for k in those if block.origins[k] == block.origins[axis]]
  return (near or those)[0]


def over_axes(plan: Plan, term: Term) -> tuple[int, ...]:
  """Returns the axes of the block that a group's permutation depends on."""
  outer, index = plan.families[term.family].outer, iter(term.batch)
  return tuple(
    term.own[0] if over == outer else next(index)
    for over in plan.spec.groups[term.group].over
  )


def outer_axes(plan: Plan, term: Term) -> tuple[int, ...]:
  """Returns the axes of the block that the outer group depends on."""
  outer = plan.families[term.family].outer
  still = _still.names(plan.spec, term.group, outer)
  return tuple(
    term.batch[still.index(over)] for over in plan.spec.groups[outer].over
  )


def outer_places(plan: Plan, term: Term) -> tuple[int, ...]:
  """Returns those axes in what is said."""
  return tuple(term.batch.index(axis) for axis in outer_axes(plan, term))


def over_places(plan: Plan, term: Term, ndim: int) -> tuple[int, ...]:
  """Returns those axes in what is said, where `own` is paired; the second."""
  outer, index = plan.families[term.family].outer, iter(range(ndim))
  return tuple(
    ndim - 2 if over == outer else next(index)
    for over in plan.spec.groups[term.group].over
  )
