"""The models on disk that are merged: opened, compared, read leaf by leaf."""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base as types
from paramspace import trees
from paramspace.files import adapters
from paramspace.files import bits
from paramspace.files import disk
from paramspace.files import lazy
from paramspace.merging import _ahead
from paramspace.merging import _inputs
from paramspace.merging import _vocabulary

Path = str | pathlib.Path | disk.Tree | Any  # A tree in memory, too.
PIECE = 1 << 18  # Values that are looked at at once.
LIMIT = 1 << 31  # Values of a leaf: devices count them in int32.


class Models(NamedTuple):
  """What is merged.

  Attributes:
    base: The base.
    tuned: The models, in the order of their names.
    names: Their names.
    statistics: What is known of each, on disk; empty if nothing was given.
    reads_base: Whether the values of the base count for anything.
    floating: The leaves that are merged, in the order of the base's files.
    vocabulary: The rows that embeddings were brought to; None if they had them.
  """

  base: disk.Tree
  tuned: list[disk.Tree]
  names: list[str]
  statistics: list[disk.Tree]
  reads_base: bool
  floating: dict[str, disk.Leaf]
  vocabulary: int | None = None

  @property
  def size(self) -> int:
    """The number of values that are merged."""
    return sum(leaf.size for leaf in self.floating.values())

  def parts(self, name: str) -> list[tuple[str, disk.Leaf]]:
    """Returns what is read of a leaf, with whose it is."""
    models = zip(map(repr, self.names), self.tuned, strict=True)
    found = [('the base', self.base)] if self.reads_base else []
    return [(who, tree.leaves[name]) for who, tree in [*found, *models]]

  def dtype(self, name: str) -> np.dtype:
    """Returns the dtype that a leaf of the base counts as."""
    return _shape(self.base.leaves[name]).dtype

  def nbytes(self, name: str) -> int:
    """Returns how many bytes are read for a leaf."""
    return sum(leaf.nbytes for _, leaf in self.parts(name))


class Read(NamedTuple):
  """The values of one leaf.

  Attributes:
    base: Of the base, or, where that counts for nothing, of a model.
    tuned: Of the models.
    statistics: `[n, ...]`, float32; None if there are none.
    digests: The sha256 of the bytes that were read, by whose they are.
  """

  base: np.ndarray
  tuned: list[np.ndarray]
  statistics: np.ndarray | None
  digests: dict[str, str]


def open(
  base: Path,
  tuned: Mapping[str, Path],
  statistics: Mapping[str, Path] | None,
  combine: types.Combine,
  vocabulary: str = 'same',
) -> Models:
  """Opens all, and compares names, shapes and dtypes.

  Args:
    base: As in `merge_files`, as are all.
    tuned: The models by name.
    statistics: The statistics.
    combine: That of the recipe.
    vocabulary: The vocabulary.

  Raises:
    ValueError: If a file is not what it should be, or models differ; names the
      file or the leaf.
  """
  names = sorted(tuned)
  trunk = _opened(base)
  given = {name: _over(trunk, tuned[name]) for name in names}
  trunk, opened, rows = _vocabulary.fit(trunk, given, vocabulary)
  shapes = {n: _shapes(t) for n, t in zip(names, opened, strict=True)}
  _inputs.check(_shapes(trunk), shapes)
  for name, leaf in trunk.leaves.items():
    _check_leaf(trunk, name, leaf)
  known = []
  if statistics is not None:
    _inputs.same_keys('statistics', statistics, names)
    known = [_opened(statistics[name]) for name in names]
    for name, tree in zip(names, known, strict=True):
      what = f'merge: statistics of {name!r}'
      trees.check_shapes(_shapes(known[0]), _shapes(tree), what)
      _check_known(tree, trunk)
  reads_base = combine.origin == 'base'
  leaves = trunk.leaves.items()
  floating = {n: x for n, x in leaves if trees.is_floating(_shape(x))}
  return Models(trunk, opened, names, known, reads_base, floating, rows)


def read(
  models: Models, name: str, digest: bool, look: bool, spread: _ahead.Spread
) -> Read:
  """Reads one leaf of all models.

  Args:
    models: The models.
    name: The leaf.
    digest: Whether to take digests.
    look: Whether to look for values that are not finite.
    spread: Runs a function on the base, and on each model.

  Raises:
    ValueError: If there is one; names the file and the leaf.
  """

  def load(part: tuple[str, disk.Leaf]) -> tuple[np.ndarray, str | None]:
    who, leaf = part
    values = disk.copy(leaf.view())
    if look:
      check_finite(values, f'leaf {name!r} of {who}, in {leaf.file},')
    if not digest:
      return values, None
    return values, hashlib.sha256(bits.to_bytes(values)).hexdigest()

  parts = models.parts(name)
  loaded = list(spread(load, parts))
  found = [values for values, _ in loaded]
  digests = {}
  if digest:
    pairs = zip(parts, loaded, strict=True)
    digests = {who: text for (who, _), (_, text) in pairs}
  if len({x.dtype for x in found}) > 1:  # Some are computed, in a wide dtype.
    wide = max((_wide(x.dtype) for x in found), key=lambda t: t.itemsize)
    found = [disk.copy(x, wide) for x in found]
  statistics = None
  if models.statistics and name in models.statistics[0].leaves:
    rows = [tree.read(name) for tree in models.statistics]
    for who, row in zip(models.names, rows, strict=True):
      check_finite(row, f'leaf {name!r} of the statistics of {who!r}')
    statistics = np.stack([row.astype(_wide(row.dtype)) for row in rows])
  tuned = found[1:] if models.reads_base else found
  return Read(found[0], tuned, statistics, digests)


def carried(models: Models, name: str) -> np.ndarray:
  """Returns a leaf that is not floating-point, which all must agree in.

  Raises:
    ValueError: If they do not; names the leaf.
  """
  values = models.base.read(name)
  for model, tree in zip(models.names, models.tuned, strict=True):
    if not np.array_equal(values, tree.leaves[name].view()):
      raise ValueError(
        f'merge: {model!r}, beside the base: leaf {name!r} is not floating-'
        'point, but its values differ; make them equal.'
      )
  return values


def _over(base: disk.Tree, path: Path) -> disk.Tree:
  """Opens a model, or applies an adapter to the base."""
  if adapters.is_adapter(path):
    return adapters.apply(base, path)
  return _opened(path)


def _opened(path: Path) -> disk.Tree:
  if isinstance(path, disk.Tree):
    return path
  known = isinstance(path, str | pathlib.Path)
  return lazy.open(path) if known else disk.held(path)


def _shape(leaf: disk.Leaf) -> jax.ShapeDtypeStruct:
  dtype = leaf.stands_for.newbyteorder('=')
  return jax.ShapeDtypeStruct(leaf.shape, dtype)


def _shapes(tree: disk.Tree) -> dict[str, jax.ShapeDtypeStruct]:
  return {name: _shape(leaf) for name, leaf in tree.leaves.items()}


def _wide(dtype: np.dtype) -> np.dtype:
  return dtype if jnp.finfo(dtype).bits >= 32 else np.dtype(np.float32)


def _check_leaf(tree: disk.Tree, name: str, leaf: disk.Leaf) -> None:
  wide = leaf.dtype.itemsize > 4 and trees.is_floating(_shape(leaf))
  if wide and not jax.config.jax_enable_x64:
    raise ValueError(
      f'{leaf.file}: leaf {name!r} is {leaf.dtype}, which JAX would make '
      "float32; set jax.config.update('jax_enable_x64', True)."
    )
  if leaf.size >= LIMIT:
    raise ValueError(
      f'{leaf.file}: leaf {name!r} has {leaf.size} values, more than an int32 '
      'counts; split it.'
    )


def _check_known(known: disk.Tree, base: disk.Tree) -> None:
  for name in known.leaves:
    leaf = base.leaves.get(name)
    if leaf is None or not trees.is_floating(_shape(leaf)):
      raise ValueError(
        f'There is a statistic of {name!r}, which is no floating-point leaf; '
        f'near misses: {trees.nearest(name, list(base.leaves))}.'
      )


def check_finite(values: np.ndarray, what: str) -> None:
  """Raises if a value is not finite.

  Those of two and four bytes are looked at as integers, a piece at a time: ten
  times as fast.
  """
  if finite(values):
    return
  wrong = int((~np.isfinite(values)).sum())
  raise ValueError(
    f'merge: {what} has {wrong} values that are not finite; mend the model or '
    'leave it out.'
  )


def finite(values: np.ndarray) -> bool:
  """Returns whether all values are finite."""
  size = values.dtype.itemsize
  if size not in (2, 4):
    return bool(np.isfinite(values).all())
  infinite = np.asarray([np.inf], values.dtype).view(f'u{size}')[0]
  magnitude = infinite.dtype.type((1 << (8 * size - 1)) - 1)
  flat = values.reshape(-1).view(infinite.dtype)
  return all(
    (flat[at : at + PIECE] & magnitude).max() < infinite
    for at in range(0, flat.size, PIECE)
  )
