"""Parameter trees on disk: names, shapes and dtypes now, values when asked.

`lazy.open` makes them of files. They hold no open file, and can be put together
of other trees' leaves.
"""

import functools
import math
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.files import names

_MEMORY = pathlib.Path('memory')
ALIGNED = 64  # Bytes; arrays that lie so are used by JAX without a copy.


class Leaf(NamedTuple):
  """One leaf on disk.

  Attributes:
    shape: Its shape.
    dtype: Its dtype.
    file: The file or folder that it is in.
    view: Returns its values, mapped where the file allows it.
    narrow: Where it is computed, in a wide dtype, that of the leaf that it
      takes the place of; None where it is stored as it is.
  """

  shape: tuple[int, ...]
  dtype: np.dtype
  file: pathlib.Path
  view: Callable[[], np.ndarray]
  narrow: np.dtype | None = None

  @property
  def size(self) -> int:
    """The number of its values."""
    return math.prod(self.shape)

  @property
  def nbytes(self) -> int:
    """The number of its bytes."""
    return self.size * self.dtype.itemsize

  @property
  def stands_for(self) -> np.dtype:
    """The dtype that it counts as beside other models."""
    return self.dtype if self.narrow is None else self.narrow


class Tree(NamedTuple):
  """A parameter tree on disk.

  Attributes:
    path: What was opened.
    leaves: By name, in the order of the files.
    separator: What stands between the parts of a name in the files.
    metadata: What the files' writer says of them.
    others: Files that leaves are computed from, beside their own.
    model: The model that has its config and tokenizer, if that is another.
  """

  path: pathlib.Path
  leaves: Mapping[str, Leaf]
  separator: str = '/'
  metadata: Mapping[str, str] = {}
  others: tuple[pathlib.Path, ...] = ()
  model: pathlib.Path | None = None

  @property
  def files(self) -> list[pathlib.Path]:
    """The files, in the order of the leaves."""
    own = (leaf.file for leaf in self.leaves.values())
    return list(dict.fromkeys([*own, *self.others]))

  @property
  def home(self) -> pathlib.Path:
    """Where its config and its tokenizer are."""
    return self.path if self.model is None else self.model

  @property
  def nbytes(self) -> int:
    """The number of bytes of all leaves."""
    return sum(leaf.nbytes for leaf in self.leaves.values())

  def stored(self, name: str) -> str:
    """Returns the name that a leaf has in its file."""
    return names.stored(name, self.separator)

  def read(self, name: str) -> np.ndarray:
    """Returns a leaf's values, a copy in memory that JAX uses as it is.

    Raises:
      ValueError: If there is no such leaf; says which are near.
    """
    if name not in self.leaves:
      raise ValueError(
        f'{self.path} has no leaf {name!r}; near misses: '
        f'{trees.nearest(name, list(self.leaves))}.'
      )
    return copy(self.leaves[name].view())


def named(
  path: pathlib.Path,
  leaves: Mapping[str, Leaf],
  metadata: Mapping[str, str] | None = None,
) -> Tree:
  """Makes the tree of leaves that have the files' names.

  Raises:
    manifest.Damaged: If a name is none of a leaf.
  """
  mark = names.separator(leaves)
  ours = {names.leaf(name, mark): leaf for name, leaf in leaves.items()}
  return Tree(path, ours, mark, metadata or {})


def held(params: base.Params) -> Tree:
  """Returns a tree in memory as one on disk."""
  leaves = {}
  for name, x in trees.named(params).items():
    x = np.asarray(x)
    leaves[name] = Leaf(x.shape, x.dtype, _MEMORY, functools.partial(_same, x))
  return Tree(_MEMORY, leaves)


def copy(values: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
  """Returns a copy in memory, of another dtype, that JAX can use as it is."""
  found = room(values.shape, values.dtype if dtype is None else dtype)
  np.copyto(found, values)
  return found


def room(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
  """Returns an array, not filled, that JAX can use as it is."""
  size = math.prod(shape) * dtype.itemsize
  held = np.empty(size + ALIGNED, np.uint8)
  skip = -held.ctypes.data % ALIGNED
  return held[skip : skip + size].view(dtype).reshape(shape)


def _same(values: np.ndarray) -> np.ndarray:
  return values
