"""A merge of models on disk, checked, and what becomes known of it."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base as types
from paramspace import deltas
from paramspace.deltas import order
from paramspace.merging import _devices
from paramspace.merging import _inputs
from paramspace.merging import _models
from paramspace.merging import _recipe

Progress = Callable[[int], None]


class Name(str):
  """The name of a leaf, which no field of what is known can be taken for."""

  __slots__ = ()


class Job(NamedTuple):
  """A merge of models on disk.

  Attributes:
    models: The models.
    combine: Of the recipe.
    prune: Of the recipe: one, one of each model, or None.
    scale: Of the recipe.
    keys: Of the models, `[n]`.
    weights: By leaf, `[n]`.
    out_dtype: That of the result; None for that of each leaf.
    room: How many bytes may be read ahead.
    progress: Is told the bytes that were read, whenever some were.
    place: Puts values of a leaf where it is computed.
    at_once: How many leaves are computed at the same time.
  """

  models: _models.Models
  combine: types.Combine
  prune: Any
  scale: jax.Array
  keys: types.PRNGKey
  weights: dict[str, np.ndarray]
  out_dtype: Any
  room: int
  progress: Progress
  place: _devices.Place = _devices.on_default
  at_once: int = 1

  @property
  def prunes(self) -> list[deltas.Prune]:
    """The prune of each model; none where nothing is pruned."""
    if self.prune is None:
      return []
    several = isinstance(self.prune, tuple)
    return [*self.prune] if several else [self.prune] * len(self.models.names)

  @property
  def rounds(self) -> int:
    """How many looks at all leaves the prunes need."""
    return max((len(prune.rounds) for prune in self.prunes), default=0)

  @property
  def asked(self) -> list[order.Order] | None:
    """What the prunes ask of the tree, if one look with a guess can find it."""
    name, size = next(iter(self.models.floating)), self.models.size
    asked = [prune.order(name) for prune in self.prunes]
    of_tree = [x for x in asked if x is not None and x.scope == 'global']
    found = [x for x in of_tree if 0 < x.place(size) < size]
    return found if found and len(found) == len(asked) else None

  @property
  def late(self) -> deltas.Round | None:
    """The combine's round, if it may be concluded after the merge."""
    rounds = self.combine.rounds
    only = self.asked is not None and len(rounds) == 1
    return rounds[0] if only and rounds[0].outcomes else None

  @property
  def passes(self) -> int:
    """How often all is read, if no guess is wrong."""
    first = 1 if self.asked is not None else self.rounds
    return first + (0 if self.late else len(self.combine.rounds)) + 1


class Known(NamedTuple):
  """What rounds have concluded.

  Attributes:
    prunes: By model.
    combine: Of the combine; where it is `guessed`, perhaps not so.
    guessed: The round of which that is a guess.
  """

  prunes: list[dict]
  combine: dict
  guessed: deltas.Round | None = None


def silent(count: int) -> None:
  """Shows no progress."""


def make(
  models: _models.Models,
  recipe: types.Recipe,
  weights: Mapping[str, Any] | None,
  key: types.PRNGKey | None,
  memory: int | None,
  out_dtype: jax.typing.DTypeLike | None,
) -> Job:
  """Returns the job, all checked.

  Args:
    models: The models.
    recipe: The recipe.
    weights: As in `merge_files`, as are the others.
    key: The key.
    memory: The memory.
    out_dtype: The dtype.

  Raises:
    ValueError: If anything does not go with the rest.
  """
  _recipe.check(recipe, key)
  names = list(models.floating)
  job = Job(
    models,
    recipe.combine,
    _recipe.prunes(recipe, models.names),
    jnp.asarray(recipe.scale),
    _recipe.keys(key, models.names),
    _inputs.weights(weights, models.names, names),
    out_dtype and np.dtype(out_dtype),
    _room(models, memory),
    silent,
  )
  shapes = {n: x.shape for n, x in models.floating.items()}
  delta = {n: jax.ShapeDtypeStruct(s, np.float32) for n, s in shapes.items()}
  for prune in job.prunes:
    if not isinstance(prune, deltas.Prune):
      raise ValueError(
        f'merge_files runs prunes leaf by leaf, got {prune!r}; make it a '
        '`deltas.Prune`.'
      )
    prune.check(delta)
  for name, x in delta.items() if not models.statistics else ():
    stack = jax.ShapeDtypeStruct((len(models.names), *x.shape), np.float32)
    job.combine.check(types.Leaf(name, x, stack, job.weights[name]))
  return job


def _room(models: _models.Models, memory: int | None) -> int:
  """Returns how many bytes may be read ahead: a sixth of the memory."""
  least = max(map(models.nbytes, models.floating))
  if memory is not None and memory < least:
    raise ValueError(
      f'`memory` is {memory}, less than the {least} bytes of the largest leaf '
      'of all models.'
    )
  return (memory or bound(models)) // 6


def bound(models: _models.Models) -> int:
  """Returns three times the largest leaf, in float32, of all models."""
  largest = max(leaf.size for leaf in models.floating.values())
  return 3 * 4 * largest * len(models.names)
