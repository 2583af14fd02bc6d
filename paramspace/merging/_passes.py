"""Leaves of models on disk, read in passes: rounds that look, then a merge."""

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base as types
from paramspace import deltas
from paramspace import trees
from paramspace.merging import _ahead
from paramspace.merging import _models
from paramspace.merging import _program

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

  @property
  def prunes(self) -> list[deltas.Prune]:
    """The prune of each model; none where nothing is pruned."""
    if self.prune is None:
      return []
    several = isinstance(self.prune, tuple)
    return [*self.prune] if several else [self.prune] * len(self.models.names)

  @property
  def passes(self) -> int:
    """How often all is read."""
    rounds = [len(prune.rounds) for prune in self.prunes]
    return max(rounds, default=0) + len(self.combine.rounds) + 1


Known = tuple[list[dict], dict]


def look(job: Job) -> Known:
  """Runs the rounds of the prunes, then those of the combine.

  Returns:
    What the prunes of the models know, and what the combine does.

  Raises:
    ValueError: If a value is not finite; names the file and the leaf.
  """
  known = [{} for _ in job.models.names], {}
  rounds = [prune.rounds for prune in job.prunes]
  first = max(map(len, rounds), default=0)
  for i in range(first):
    looks = [r[i] if i < len(r) else None for r in rounds]
    known = _look_at_models(job, looks, known[0], i == 0), {}
  for i, each in enumerate(job.combine.rounds):
    known = known[0], _look_at_leaves(job, each, known, first + i == 0)
  return known


def merge(
  job: Job, known: Known, names: Sequence[str]
) -> Iterator[tuple[str, dict, jax.Array, dict]]:
  """Yields leaves: the name, digests of what was read, the leaf, what is said.

  The last two may not be computed yet when they are yielded, unless they are
  so large that the next leaf should not be read before.
  """
  kinds = _kinds(job)
  first = job.passes == 1
  for name, read in _read(job, names, digest=True, first=first):
    found = _merge_leaf(job, known, kinds[name], name, read)
    yield name, read.digests, *found
    del found, read  # Or they would be there beside the next ones.


def _merge_leaf(
  job: Job, known: Known, at: Name, name: str, read: _models.Read
) -> tuple[jax.Array, dict]:
  """Returns the leaf, and what is said of it."""
  given, density = _given(job, known[0], name, at, read)
  merged, about = _program.merge_leaf(
    job.combine,
    job.out_dtype,
    job.prune is not None,
    at,
    _of_leaf(known[1], name, at),
    job.scale,
    *given,
  )
  if job.models.nbytes(name) > job.room:
    merged.block_until_ready()
  return merged, about | density


def _look_at_models(
  job: Job, looks: list[deltas.Round | None], known: list[dict], first: bool
) -> list[dict]:
  """Runs one round of each model's prune over all leaves."""
  kinds, seen = _kinds(job), [_Seen(look) for look in looks]
  for name, read in _read(job, job.models.floating, first=first):
    at, base = kinds[name], jnp.asarray(read.base)
    for m, each in enumerate(looks):
      if each is not None:
        own, key = _of_leaf(known[m], name, at), _key(job, m, name)
        tuned = jnp.asarray(read.tuned[m])
        found = _program.look_at_model(each, at, own, key, base, tuned)
        seen[m].add(name, at, found)
    del base, read
  return [s.conclude(k) for s, k in zip(seen, known, strict=True)]


def _look_at_leaves(
  job: Job, each: deltas.Round, known: Known, first: bool
) -> dict:
  """Runs one round of the combine over all leaves."""
  kinds, seen = _kinds(job), _Seen(each)
  for name, read in _read(job, job.models.floating, first=first):
    at = kinds[name]
    seen.add(name, at, _look_at_leaf(job, each, known, at, name, read))
    del read
  return seen.conclude(known[1])


def _look_at_leaf(
  job: Job,
  each: deltas.Round,
  known: Known,
  at: Name,
  name: str,
  read: _models.Read,
) -> Any:
  """Returns what one round of the combine sees of a leaf."""
  given, _ = _given(job, known[0], name, at, read)
  own, pruned = _of_leaf(known[1], name, at), job.prune is not None
  return _program.look_at_leaf(each, job.combine, pruned, at, own, *given)


class _Seen:
  """What a round has seen of some leaves, merged on the host.

  Counts are merged as they come, as int64. Sums of floats depend on the order:
  they wait, and are merged in the order of the names, as `merge` does.
  """

  def __init__(self, look: deltas.Round | None):
    self._look, self._waiting = look, {}
    self._counts, self._any = None, False

  def add(self, name: str, at: Name, seen: Any) -> None:
    """Adds what was seen of a leaf, under its own name."""
    seen = _renamed(jax.tree.map(_on_host, seen), at, Name(name))
    if all(x.dtype == np.int64 for x in jax.tree.leaves(seen)):
      merge = self._look.merge if self._any else lambda _, x: x
      self._counts, self._any = merge(self._counts, seen), True
    else:
      self._waiting[name] = seen

  def conclude(self, known: dict) -> dict:
    """Returns what is known after the round."""
    if self._look is None:
      return known
    seen = [self._waiting[name] for name in sorted(self._waiting)]
    seen += [self._counts] if self._any else []
    total = seen[0]
    for each in seen[1:]:
      total = self._look.merge(total, each)
    return self._look.conclude(known, total)


def _read(
  job: Job, names: Iterable[str], digest: bool = False, first: bool = False
) -> Iterator[tuple[str, _models.Read]]:
  models = job.models
  load = lambda name: _models.read(models, name, digest, first)
  for name, read in _ahead.read(names, load, models.nbytes, job.room):
    if read.statistics is not None:
      _check(job, name, read)
    yield name, read
    job.progress(models.nbytes(name))


def _check(job: Job, name: str, read: _models.Read) -> None:
  shape = (len(read.tuned), *read.base.shape)
  stack = jax.ShapeDtypeStruct(shape, np.float32)
  weights = job.weights[name]
  job.combine.check(
    types.Leaf(name, read.base, stack, weights, read.statistics)
  )


def _given(
  job: Job, known: list[dict], name: str, at: Name, read: _models.Read
) -> tuple[tuple, dict]:
  """Prunes a leaf, of which it takes the models out of `read`.

  Returns:
    The arguments of a program that are of this leaf, and what was kept of each
    model.
  """
  base = jnp.asarray(read.base)
  models, kept = [], []
  for m in range(len(job.models.names)):
    x = jnp.asarray(read.tuned.pop(0))
    if job.prunes:
      own, key = _of_leaf(known[m], name, at), _key(job, m, name)
      x, part = _program.prune_leaf(job.prunes[m], at, own, key, base, x)
      kept.append(part)
    models.append(x)
  about = {'density': kept} if kept else {}
  return (base, models, job.weights[name], read.statistics), about


def _key(job: Job, model: int, name: str) -> types.PRNGKey:
  return trees.key_for(job.keys[model], name)


def _kinds(job: Job) -> dict[str, Name]:
  """Returns by leaf the first that its program serves as well."""
  first: dict[Hashable, Name] = {}
  found = {}
  for name, leaf in job.models.floating.items():
    makers = [job.combine, *dict.fromkeys(job.prunes)]
    kinds = [maker.kind(name, leaf.shape) for maker in makers]
    kind = (leaf.shape, leaf.dtype, *kinds)
    found[name] = first.setdefault(kind, Name(name))
  return found


def _of_leaf(known: Any, name: str, at: Name) -> Any:
  """Returns what is known, of other leaves nothing, of this one as `at`."""
  if isinstance(known, dict):
    if any(isinstance(k, Name) for k in known):
      return {at: _of_leaf(known[name], name, at)} if name in known else {}
    return {k: _of_leaf(x, name, at) for k, x in known.items()}
  if isinstance(known, list | tuple):
    return type(known)(_of_leaf(x, name, at) for x in known)
  return _on_device(known)


def _renamed(seen: Any, at: Name, name: Name) -> Any:
  """Returns what was seen of `at` as seen of `name`."""
  if isinstance(seen, dict):
    own = lambda k: name if isinstance(k, Name) and k == at else k
    return {own(k): _renamed(x, at, name) for k, x in seen.items()}
  if isinstance(seen, list | tuple):
    return type(seen)(_renamed(x, at, name) for x in seen)
  return seen


def _on_host(x: jax.Array) -> np.ndarray:
  x = np.asarray(x)
  return x.astype(np.int64) if np.issubdtype(x.dtype, np.integer) else x


def _on_device(x: Any) -> Any:
  """Returns counts as int32; those of a whole tree no leaf looks at."""
  if isinstance(x, np.ndarray | np.generic) and x.dtype == np.int64:
    return np.clip(x, 0, np.iinfo(np.int32).max).astype(np.int32)
  return x
