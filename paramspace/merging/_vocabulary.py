"""Models of different vocabularies brought to one number of rows.

A row is taken for the same token in all models that have it: it is for models
whose tokenizers go on from one another, as after tokens were added.
"""

import functools
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from paramspace.files import disk

HOWS = ('same', 'cut', 'pad')
_NAMES = re.compile(r'.*(embed|wte|lm_head|output|vocab).*', re.IGNORECASE)
_EMBEDDING = re.compile(r'.*(embed|wte).*', re.IGNORECASE)
_OTHERS = re.compile(r'.*(position|token_type).*', re.IGNORECASE)


class Fitted(NamedTuple):
  """Models of one vocabulary.

  Attributes:
    base: The base.
    tuned: The models, in the order they were given.
    rows: The size of the vocabulary, if it was not the same; or None.
  """

  base: disk.Tree
  tuned: list[disk.Tree]
  rows: int | None


def fit(
  base: disk.Tree, tuned: Mapping[str, disk.Tree], how: str = 'same'
) -> Fitted:
  """Returns the models with as many rows of embeddings and heads.

  Args:
    base: The base.
    tuned: The models by name.
    how: 'same' refuses others. 'cut' leaves the rows that all have. 'pad'
      leaves all: what a model lacks is the base's, a delta of 0; what the base
      lacks is the mean of the models that have it, as mergekit gives it to
      tokens that its base lacks.

  Raises:
    ValueError: If sizes differ and `how` is 'same', or differ within a model;
      names the leaf.
  """
  if how not in HOWS:
    raise ValueError(f'`vocabulary` is one of {HOWS}, got {how!r}.')
  names = _differing(base, tuned)
  if not names:
    return Fitted(base, [*tuned.values()], None)
  models = {'the base': base} | {repr(n): tree for n, tree in tuned.items()}
  sizes = {who: _size(who, tree, names) for who, tree in models.items()}
  if how == 'same':
    raise ValueError(
      f'merge: the vocabularies differ: {names[0]!r} has {sizes} rows; cut '
      "them to the smallest by vocabulary='cut', or pad them by 'pad'."
    )
  rows = (min if how == 'cut' else max)(sizes.values())
  given = {n: [tree.leaves[n] for tree in tuned.values()] for n in names}
  of = lambda tree: _fitted(tree, base, given, rows)
  return Fitted(of(base), [of(tree) for tree in tuned.values()], rows)


def resized(tree: disk.Tree, tokens: int, rows: int) -> disk.Tree:
  """Returns a model with a row for each token, then copies of their mean.

  Args:
    tree: The model.
    tokens: How many tokens there are, which have the first rows.
    rows: How many rows it is to have.

  Raises:
    ValueError: If it has fewer rows than there are tokens.
  """
  names = [
    name
    for name, leaf in tree.leaves.items()
    if leaf.shape and _NAMES.fullmatch(name) and not _OTHERS.fullmatch(name)
  ]
  first = next((n for n in names if _EMBEDDING.fullmatch(n)), None)
  if first is None:
    return tree
  size = tree.leaves[first].shape[0]
  if size < tokens:
    raise ValueError(
      f'{tree.path}: {first!r} has {size} rows for {tokens} tokens.'
    )
  if size == tokens == rows:
    return tree
  leaves = dict(tree.leaves)
  for name in (n for n in names if leaves[n].shape[0] == size):
    leaf = leaves[name]
    view = functools.partial(_with_mean, leaf, tokens, rows)
    leaves[name] = leaf._replace(shape=(rows, *leaf.shape[1:]), view=view)
  return tree._replace(leaves=leaves)


def _differing(base: disk.Tree, tuned: Mapping[str, disk.Tree]) -> list[str]:
  """Returns the leaves that differ in nothing but the number of their rows."""
  found = []
  for name, leaf in base.leaves.items():
    others = [tree.leaves.get(name) for tree in tuned.values()]
    if not leaf.shape or not _NAMES.fullmatch(name) or _OTHERS.fullmatch(name):
      continue
    if any(x is None or x.shape[1:] != leaf.shape[1:] for x in others):
      continue
    if any(x.shape[:1] != leaf.shape[:1] for x in others):
      found.append(name)
  return found


def _size(who: str, tree: disk.Tree, names: Sequence[str]) -> int:
  found = {name: tree.leaves[name].shape[0] for name in names}
  if len(set(found.values())) > 1:
    raise ValueError(f'merge: {who} has vocabularies of two sizes: {found}.')
  return found[names[0]]


def _fitted(
  tree: disk.Tree,
  base: disk.Tree,
  given: Mapping[str, Sequence[disk.Leaf]],
  rows: int,
) -> disk.Tree:
  """Returns a tree of so many rows."""
  leaves = dict(tree.leaves)
  for name, others in given.items():
    leaf = leaves[name]
    if leaf.shape[0] > rows:
      view = functools.partial(_first, leaf, rows)
    elif leaf.shape[0] < rows:
      view = functools.partial(_padded, leaf, rows, base.leaves[name], others)
    else:
      continue
    shape = (rows, *leaf.shape[1:])
    leaves[name] = leaf._replace(shape=shape, view=view)
  return tree._replace(leaves=leaves)


def _first(leaf: disk.Leaf, rows: int) -> np.ndarray:
  return leaf.view()[:rows]


def _padded(
  leaf: disk.Leaf, rows: int, base: disk.Leaf, others: Sequence[disk.Leaf]
) -> np.ndarray:
  """Returns a leaf, then rows of the base, then means of the other models."""
  out = disk.room((rows, *leaf.shape[1:]), leaf.dtype)
  own, known = leaf.shape[0], base.shape[0]
  out[:own] = leaf.view()
  if own < known:
    out[own:known] = base.view()[own:]
  start = max(own, known)
  out[start:] = _mean(others, start, rows).astype(base.dtype)
  return out


def _mean(others: Sequence[disk.Leaf], start: int, stop: int) -> np.ndarray:
  """Returns the mean of the models that have a row, in float32 or wider."""
  wide = np.float64 if others[0].dtype == np.float64 else np.float32
  total = np.zeros((stop - start, *others[0].shape[1:]), wide)
  count = np.zeros((stop - start, *(1 for _ in others[0].shape[1:])), wide)
  for leaf in others:
    found = leaf.view()[start:]
    total[: len(found)] += found
    count[: len(found)] += 1
  return total / count


def _with_mean(leaf: disk.Leaf, tokens: int, rows: int) -> np.ndarray:
  out = disk.room((rows, *leaf.shape[1:]), leaf.dtype)
  out[:tokens] = leaf.view()[:tokens]
  if rows > tokens:
    wide = np.float64 if leaf.dtype == np.float64 else np.float32
    out[tokens:] = out[:tokens].mean(0, dtype=wide).astype(leaf.dtype)
  return out
