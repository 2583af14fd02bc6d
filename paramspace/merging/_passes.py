"""Leaves of models on disk, read one after another, and merged."""

import functools
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from paramspace import base as types
from paramspace import trees
from paramspace.deltas import order
from paramspace.merging import _ahead
from paramspace.merging import _job
from paramspace.merging import _models
from paramspace.merging import _program

Look = Callable[[str, int, np.ndarray, np.ndarray], Any]


class Leaf(NamedTuple):
  """A leaf that was read.

  Attributes:
    name: Its name.
    at: The name that its program knows it by.
    read: The values.
    found: What was found of each model's magnitudes, where that was asked.
  """

  name: str
  at: _job.Name
  read: _models.Read
  found: list[Any]


def merge(
  job: _job.Job, known: _job.Known, names: Sequence[str]
) -> Iterator[tuple[str, dict, jax.Array, dict]]:
  """Yields leaves: the name, digests of what was read, the leaf, what is said.

  The last two may not be computed yet when they are yielded, unless they are
  so large that the next leaf should not be read before.
  """
  look = functools.partial(_order, job, known) if job.prunes else None
  for leaf in leaves(job, names, look, digest=True, first=job.passes == 1):
    found = _merge_leaf(job, known, leaf)
    yield leaf.name, leaf.read.digests, *found
    del found, leaf  # Or they would be there beside the next ones.


def _merge_leaf(
  job: _job.Job, known: _job.Known, leaf: Leaf
) -> tuple[jax.Array, dict]:
  """Returns the leaf, and what is said of it."""
  name = leaf.name
  pairs = zip(known.prunes, leaf.found, strict=bool(job.prunes))
  prunes = [known | found for known, found in pairs]
  given, about = inputs(job, prunes, leaf)
  ours = own(known.combine, name, leaf.at)
  dtype = job.out_dtype or job.models.dtype(name)
  merged, delta = _program.merge_leaf(
    job.combine, dtype, *given[:3], ours, job.scale, *given[3:]
  )
  if delta is not None:
    about |= _program.lost(job.combine, given[4], merged, delta, job.scale)
  if known.guessed is not None:
    with_guess = known.guessed, job.combine, *given[:3], ours, *given[3:]
    about['seen'] = _program.look_at_leaf(*with_guess)
    about['open'] = _program.is_open(*with_guess)
  if job.models.nbytes(name) > job.room:
    jax.block_until_ready((merged, about))
  return merged, about


def _order(
  job: _job.Job,
  known: _job.Known,
  name: str,
  model: int,
  base: np.ndarray,
  tuned: np.ndarray,
) -> dict:
  """Finds what is still unknown of what a model's prune asks of a leaf."""
  asked = job.prunes[model].order(name)
  return _ordered(asked, _job.Name(name), base, tuned, known.prunes[model])


def _ordered(
  asked: order.Order | None,
  name: _job.Name,
  base: np.ndarray,
  tuned: np.ndarray,
  known: dict,
) -> dict:
  if asked is None:
    return {}
  if asked.scope == 'leaf':
    k = asked.place(base.size)
    found = 0 < k < base.size and order.of_leaf(name, base, tuned, k)
    return found or {}
  if 'ends' not in known:
    return {}
  end = known['ends'][name]
  if end == order.UNKNOWN:
    end = order.end(base, tuned, known['threshold'], known['ties'][name])
  return {'ends': {name: end}}


def leaves(
  job: _job.Job,
  names: Iterable[str],
  look: Look | None = None,
  digest: bool = False,
  first: bool = False,
) -> Iterator[Leaf]:
  """Reads leaves, and looks at them where they are read."""
  models, ats = job.models, _programs(job)

  def load(name: str, spread: _ahead.Spread) -> Leaf:
    read, found = _models.read(models, name, digest, first, spread), []
    if look is not None:
      at = functools.partial(look, name)
      count = len(read.tuned)
      found = [*spread(at, range(count), [read.base] * count, read.tuned)]
    return Leaf(name, ats[name], read, found)

  for name, leaf in _ahead.read(names, load, models.nbytes, job.room):
    if leaf.read.statistics is not None:
      _check(job, name, leaf.read)
    yield leaf
    job.progress(models.nbytes(name))


def _check(job: _job.Job, name: str, read: _models.Read) -> None:
  shape = (len(read.tuned), *read.base.shape)
  stack = jax.ShapeDtypeStruct(shape, np.float32)
  weights = job.weights[name]
  job.combine.check(
    types.Leaf(name, read.base, stack, weights, read.statistics)
  )


def inputs(
  job: _job.Job, known: Sequence[dict], leaf: Leaf
) -> tuple[tuple, dict]:
  """Prunes a leaf, of which it takes the models out of `read`.

  Where little is left to do, because the host has found what is asked, that is
  left to the program that merges. Else it takes more memory, and models are
  pruned one by one.

  Returns:
    The arguments of a program that are of this leaf, and what was kept of each
    model.
  """
  name, at, read = leaf.name, leaf.at, leaf.read
  base, number = job.place(name, read.base), len(job.models.names)
  light = job.prunes and all('ends' in x for x in known)
  names = ('threshold', 'ends')
  parts = [
    own({n: x[n] for n in names} if light else x, name, at) for x in known
  ]
  draws = [draw(job, m, name) for m in range(number)]
  models, kept = [], []
  for m in range(number):
    x = job.place(name, read.tuned.pop(0))
    if job.prunes and not light:
      prune = job.prunes[m]
      x, part = _program.prune_leaf(prune, at, parts[m], draws[m], base, x)
      kept.append(part)
    models.append(x)
  if light and all('kept' in x for x in known):
    size = np.float32(read.base.size)
    kept = [np.float32(x['kept'][name]) / size for x in known]
  about = {'density': kept} if kept else {}
  prunes = tuple(job.prunes) if light else ()
  pruning = (parts, draws) if light else ()
  rest = pruning, base, models, job.weights[name], read.statistics
  return (prunes, job.prune is not None, at, *rest), about


def draw(job: _job.Job, model: int, name: str) -> _program.Draw:
  """Returns what the prune of a model draws of a leaf by."""
  return _program.Draw(job.keys, np.int32(model), trees.tag(name))


def _programs(job: _job.Job) -> dict[str, _job.Name]:
  """Returns by leaf the first that its program serves as well."""
  first: dict[Hashable, _job.Name] = {}
  found = {}
  for name, leaf in job.models.floating.items():
    makers = [job.combine, *dict.fromkeys(job.prunes)]
    kinds = [maker.kind(name, leaf.shape) for maker in makers]
    kind = (leaf.shape, leaf.dtype, *kinds)
    found[name] = first.setdefault(kind, _job.Name(name))
  return found


def own(known: Any, name: str, at: _job.Name) -> Any:
  """Returns what is known, of other leaves nothing, of this one as `at`."""
  if isinstance(known, dict):
    if any(isinstance(k, _job.Name) for k in known):
      return {at: own(known[name], name, at)} if name in known else {}
    return {k: own(x, name, at) for k, x in known.items()}
  if isinstance(known, list | tuple):
    return type(known)(own(x, name, at) for x in known)
  return _on_device(known)


def _on_device(x: Any) -> Any:
  """Returns counts as int32; those of a whole tree no leaf looks at."""
  if isinstance(x, np.ndarray | np.generic) and x.dtype == np.int64:
    return np.clip(x, 0, np.iinfo(np.int32).max).astype(np.int32)
  return x
