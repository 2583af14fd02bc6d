"""Axes while a program is read: unified, split, or fixed, never the reverse.

An axis of a value is a `Node`: a class of axes that must be permuted alike, or
a product or a concatenation of such. None stands for an axis along which the
value is constant, such as one of size 1, for no permutation changes it.
"""

import collections
import math
from collections.abc import Sequence


class Node:
  """A class of axes that are permuted alike.

  Attributes:
    size: The number of entries.
    pinned: Whether it must stay as it is.
    spoiled: Whether, besides, index i does not mean the same on all its axes,
      so that nothing may depend on that index.
    kind: 'atom', 'product' (the last part the fastest) or 'concat'.
    parts: Nodes.
    bound: The node that it was unified with.
  """

  __slots__ = ('bound', 'kind', 'parts', 'pinned', 'size', 'spoiled')

  def __init__(self, size, kind='atom', parts=(), pinned=False):
    self.size, self.kind, self.parts = size, kind, parts
    self.pinned, self.spoiled, self.bound = pinned, False, None


Axis = Node | None


def find(node: Node) -> Node:
  """Returns the node that stands for the class of `node`."""
  while node.bound is not None:
    if node.bound.bound is not None:
      node.bound = node.bound.bound
    node = node.bound
  return node


def flat(node: Node, kind: str) -> list[Node]:
  """Returns the parts of a product or of a concatenation, or the node alone."""
  node = find(node)
  if node.kind != kind:
    return [node]
  found, left = [], [node]
  while left:
    part = find(left.pop())
    if part.kind == kind:
      left += reversed(part.parts)
    else:
      found.append(part)
  node.parts = found
  return found


def atoms(node: Node) -> list[Node]:
  """Returns the classes that a node is made of, in order."""
  node = find(node)
  if node.kind == 'atom':
    return [node]
  return [atom for part in flat(node, node.kind) for atom in atoms(part)]


def pin(node: Axis) -> None:
  """Fixes every class of an axis."""
  for atom in atoms(node) if node else ():
    atom.pinned = True


def spoil(*nodes: Axis) -> None:
  """Fixes them, and lets nothing depend on their indices."""
  for node in nodes:
    for atom in atoms(node) if node else ():
      atom.pinned = atom.spoiled = True


def fixed(size: int) -> Axis:
  """Returns a new axis that stays as it is."""
  return Node(size, pinned=True) if size != 1 else None


def solid(axis: Axis, size: int) -> Node:
  """Returns the axis, or a free class where the value is constant along it."""
  return Node(size) if axis is None else axis


def product(parts: Sequence[Node]) -> Node:
  """Returns the axis that `reshape` makes of several."""
  parts = [part for part in parts if part.size != 1]
  if len(parts) < 2:
    return parts[0] if parts else Node(1)
  return Node(math.prod(part.size for part in parts), 'product', parts)


def concat(parts: Sequence[Node]) -> Node:
  """Returns the axis that `concatenate` makes of several."""
  parts = [part for part in parts if part.size]
  if len(parts) < 2:
    return parts[0] if parts else Node(0)
  return Node(sum(part.size for part in parts), 'concat', parts)


def unify(a: Node, b: Node) -> bool:
  """Makes two axes permute alike.

  Args:
    a: An axis.
    b: Another of the same size.

  Returns:
    False if their parts do not fit, so that they were fixed.
  """
  a, b = find(a), find(b)
  assert a.size == b.size, (a.size, b.size)
  if a is b:
    return True
  if a.kind != 'atom':
    a, b = b, a
  fits = True
  if a.kind == 'atom':
    if a.pinned:
      (spoil if a.spoiled else pin)(b)
  elif a.kind == b.kind:
    fits = _align(a, b)
  else:
    a, b = (a, b) if a.kind == 'concat' else (b, a)
    factors = flat(b, 'product')
    mine = divide(a, [part.size for part in factors])
    fits = mine is not None and all(
      [unify(x, y) for x, y in zip(mine, factors, strict=True)]
    )
  if not fits:
    spoil(a, b)
  elif find(a) is not find(b):
    find(a).bound = find(b)
  return fits


def _align(a, b):
  """Unifies two products, or two concatenations, part by part."""
  kind, fits = a.kind, True
  xs = collections.deque(flat(a, kind))
  ys = collections.deque(flat(b, kind))
  while xs and fits:
    x, y = _next(xs, kind), _next(ys, kind)
    if x.size != y.size:
      longer, big, small = (xs, x, y) if x.size > y.size else (ys, y, x)
      halves = _halves(big, small.size, kind)
      if halves is None:
        return False
      x, y, rest = halves[0], small, halves[1]
      longer.appendleft(rest)
    fits = unify(x, y)
  return fits


def _halves(node, size, kind):
  """Takes a part of a size from the front of an axis."""
  if kind == 'concat':
    return cut(node, [size, node.size - size])
  if node.size % size:
    return None
  return divide(node, [size, node.size // size])


def _next(queue, kind):
  """Takes the next part, which may have been split since it was put there."""
  queue.extendleft(reversed(flat(queue.popleft(), kind)))
  return find(queue.popleft())


def divide(node: Node, sizes: Sequence[int]) -> list[Node] | None:
  """Returns the factors of an axis, the last the fastest.

  Args:
    node: The axis.
    sizes: Of the factors; their product is the size of the axis.

  Returns:
    The factors; None if the parts of the axis do not allow it.
  """
  node = find(node)
  if sum(size != 1 for size in sizes) < 2:
    return [node if size != 1 else Node(1) for size in sizes]
  if node.kind == 'atom':
    return _split(node, sizes, product)
  if node.kind == 'concat':
    return _divide_concat(node, sizes)
  queue, found = collections.deque(flat(node, 'product')), []
  for size in sizes:
    taken = []
    while size > 1:
      part = _next(queue, 'product')
      if part.size > size and part.size % size == 0:
        halves = divide(part, [size, part.size // size])
        if halves is None:
          return None
        part, rest = halves
        queue.appendleft(rest)
      if size % part.size:
        return None
      taken.append(part)
      size //= part.size
    found.append(product(taken))
  return found


def _divide_concat(node, sizes):
  """Divides each part, of which all factors but the first must be alike."""
  inner = math.prod(sizes[1:])
  rows = []
  for part in flat(node, 'concat'):
    row = None
    if part.size % inner == 0:
      row = divide(part, [part.size // inner, *sizes[1:]])
    if row is None:
      return None
    rows.append(row)
  for column in list(zip(*rows, strict=True))[1:]:
    for other in column[1:]:
      if not unify(column[0], other):
        return None
  return [concat([row[0] for row in rows]), *rows[0][1:]]


def cut(node: Node, sizes: Sequence[int]) -> list[Node] | None:
  """Returns the segments of an axis.

  Args:
    node: The axis.
    sizes: Of the segments; they add up to the size of the axis.

  Returns:
    The segments; None if the parts of the axis do not allow it.
  """
  node = find(node)
  if sum(size > 0 for size in sizes) < 2:
    return [node if size else Node(0) for size in sizes]
  if node.kind == 'atom':
    return _split(node, sizes, concat)
  if node.kind == 'product':
    first, *rest = flat(node, 'product')
    inner = node.size // first.size
    heads = None
    if all(size % inner == 0 for size in sizes):
      heads = cut(first, [size // inner for size in sizes])
    return heads and [product([head, *rest]) for head in heads]
  queue, found = collections.deque(flat(node, 'concat')), []
  for size in sizes:
    taken = []
    while size:
      part = _next(queue, 'concat')
      if part.size > size:
        halves = cut(part, [size, part.size - size])
        if halves is None:
          return None
        part, rest = halves
        queue.appendleft(rest)
      taken.append(part)
      size -= part.size
    found.append(concat(taken))
  return found


def _split(atom, sizes, put_together):
  """Splits a class, and with it all axes of the class."""
  parts = [Node(size, pinned=atom.pinned) for size in sizes]
  if atom.pinned:
    spoil(atom, *parts)
  else:
    atom.bound = put_together(parts)
  return parts
