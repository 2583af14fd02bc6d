"""The trees that go into an average, and whether they can."""

from collections.abc import Callable
from collections.abc import Sequence

import jax

from paramspace import base
from paramspace import trees

Entry = base.Params | Callable[[], base.Params]  # A tree, or what loads it.


def reader(entries: Sequence[Entry]) -> Callable[[int], base.Params]:
  """Returns `read(k)`, which returns tree k and keeps none.

  Args:
    entries: Trees, or functions without arguments that return them.

  Returns:
    The function. It raises ValueError where a tree differs from the first that
    was read, in leaves, shapes, dtypes or the values that are carried.

  Raises:
    ValueError: If there are no entries.
  """
  if not len(entries):
    raise ValueError('A soup needs one tree at least, got none.')
  first = {}

  def read(k: int) -> base.Params:
    tree = load(entries[k])
    if not first:
      first[k] = outline(tree)
    ((index, expected),) = first.items()
    check_alike(expected, tree, f'tree {k}, beside tree {index}')
    return tree

  return read


def load(entry: Entry) -> base.Params:
  """Returns a tree that is given or loaded."""
  # A module that can be called is a tree; a function is a leaf.
  loads = callable(entry) and jax.tree_util.all_leaves([entry])
  if not loads:
    return entry
  release()
  return entry()


def release() -> None:
  """Frees the trees that are no longer used.

  JAX lets go of the NumPy arrays that it has read when it is next called. Until
  then they are in memory, beside the tree that is loaded meanwhile.
  """
  jax.device_put(0)


def outline(tree: base.Params) -> base.Params:
  """Returns `tree` with shapes and dtypes for the floating-point leaves."""
  shapes = {
    name: jax.ShapeDtypeStruct(x.shape, x.dtype)
    for name, x in trees.floating(tree).items()
  }
  return trees.replace(tree, shapes)


def check_alike(a: base.Params, b: base.Params, what: str) -> None:
  """Raises unless `a` and `b` can be averaged.

  Args:
    a: The tree that is expected.
    b: The tree that was given.
    what: What the trees are, for the message.

  Raises:
    ValueError: Naming the leaf that differs in shape or dtype or, if it is not
      floating-point, in value; a value is not known under `jit`.
  """
  trees.check_same(a, b, what)
  trees.check_carried(a, b, what)
