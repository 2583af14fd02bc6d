"""What must be known of all leaves on disk, before any is merged."""

import functools
import math
from typing import Any

import jax
import numpy as np

from paramspace import deltas
from paramspace.deltas import order
from paramspace.merging import _job
from paramspace.merging import _passes
from paramspace.merging import _program

PART = 0.01  # Of a tree, what is read for the first guess; in blocks
LEAST, MOST = 1 << 10, 1 << 12  # at least so many, or all, and at most so many.


def look(job: _job.Job) -> _job.Known:
  """Finds what the rounds of the prunes and the combine conclude.

  Where all that is asked are magnitudes of the tree, one look finds them, with
  a guess where they lie; and what the combine will conclude is a guess then. If
  the first guess is wrong, or there is none, every round is a look of its own.

  Returns:
    What the prunes of the models know, and what the combine does.

  Raises:
    ValueError: If a value is not finite; names the file and the leaf.
  """
  known = None if job.asked is None else _look_once(job)
  first, begun = job.asked is None, 0
  if known is None:
    known = _job.Known([{} for _ in job.models.names], {})
    rounds, begun = [prune.rounds for prune in job.prunes], job.rounds
    for i in range(job.rounds):
      looks = [r[i] if i < len(r) else None for r in rounds]
      prunes = _look_at_models(job, looks, known.prunes, first and i == 0)
      known = _job.Known(prunes, {})
  if known.guessed is not None:
    return known
  for i, each in enumerate(job.combine.rounds):
    found = _look_at_leaves(job, each, known, first and begun + i == 0)
    known = known._replace(combine=found)
  return known


def concluded(known: _job.Known, seen: list[int]) -> dict:
  """Returns what the round that was guessed concludes in the end."""
  total = functools.reduce(known.guessed.merge, map(np.int64, seen))
  return known.guessed.conclude(known.combine, total)


def sampled(job: _job.Job) -> dict[str, int]:
  """Returns how many blocks of each leaf are read for the first guess."""
  if job.asked is None:
    return {}
  whole = {n: x.size // order.BLOCK for n, x in job.models.floating.items()}
  total = max(sum(whole.values()), 1)
  share = min(max(PART * total, LEAST), MOST) / total
  return {n: min(math.ceil(share * x), x) for n, x in whole.items()}


def _look_once(job: _job.Job) -> _job.Known | None:
  """Looks at all leaves once; returns None if that was not enough."""
  size = sum(leaf.size for leaf in job.models.floating.values())
  places = [asked.place(size) for asked in job.asked]
  drawn = _drawn(job)
  guesses = [
    order.bracket(rows, k / size) for rows, k in zip(drawn, places, strict=True)
  ]
  del drawn

  def count(
    name: str, model: int, base: np.ndarray, tuned: np.ndarray
  ) -> order.Counts:
    del name
    return order.count(base, tuned, guesses[model])

  found, seen = [{} for _ in guesses], _Seen(job.late)
  for leaf in _passes.leaves(job, job.models.floating, count, first=True):
    for own, counts in zip(found, leaf.found, strict=True):
      own[_job.Name(leaf.name)] = counts
    if job.late is not None:
      name, shape = _job.Name(leaf.name), leaf.read.base.shape
      expected = [order.expected(name, math.prod(shape), g) for g in guesses]
      votes = _look_at_leaf(job, job.late, expected, {}, leaf)
      seen.add(leaf.name, leaf.at, votes)
    del leaf
  pairs = zip(found, places, strict=True)
  prunes = [order.settle(counts, k) for counts, k in pairs]
  if any(known is None for known in prunes):
    return None
  return _job.Known(prunes, seen.conclude({}), job.late)


def _drawn(job: _job.Job) -> list[list[np.ndarray]]:
  """Returns a sample of the magnitudes of each model, by leaf."""
  found = [[] for _ in job.models.names]
  for name, number in sampled(job).items():
    if number:
      base, *tuned = (leaf.view() for _, leaf in job.models.parts(name))
      for own, x in zip(found, tuned, strict=True):
        own.append(order.blocks(base, x, number))
  return found


def _look_at_models(
  job: _job.Job,
  looks: list[deltas.Round | None],
  known: list[dict],
  first: bool,
) -> list[dict]:
  """Runs one round of each model's prune over all leaves."""
  seen = [_Seen(look) for look in looks]
  for leaf in _passes.leaves(job, job.models.floating, first=first):
    name, at = leaf.name, leaf.at
    base = job.place(name, leaf.read.base)
    for m, each in enumerate(looks):
      if each is not None:
        own = _passes.own(known[m], name, at)
        draw = _passes.draw(job, m, name)
        tuned = job.place(name, leaf.read.tuned[m])
        found = _program.look_at_model(each, at, own, draw, base, tuned)
        seen[m].add(name, at, found)
    del base, leaf
  return [s.conclude(k) for s, k in zip(seen, known, strict=True)]


def _look_at_leaves(
  job: _job.Job, each: deltas.Round, known: _job.Known, first: bool
) -> dict:
  """Runs one round of the combine over all leaves."""
  seen = _Seen(each)
  for leaf in _passes.leaves(job, job.models.floating, first=first):
    found = _look_at_leaf(job, each, known.prunes, known.combine, leaf)
    seen.add(leaf.name, leaf.at, found)
    del leaf
  return seen.conclude(known.combine)


def _look_at_leaf(
  job: _job.Job,
  each: deltas.Round,
  prunes: list[dict],
  combine: dict,
  leaf: _passes.Leaf,
) -> Any:
  """Returns what one round of the combine sees of a leaf."""
  given, _ = _passes.inputs(job, prunes, leaf)
  own = _passes.own(combine, leaf.name, leaf.at)
  return _program.look_at_leaf(each, job.combine, *given[:3], own, *given[3:])


class _Seen:
  """What a round has seen of some leaves, merged on the host.

  Counts are merged as they come, as int64. Sums of floats depend on the order:
  they wait, and are merged in the order of the names, as `merge` does.
  """

  def __init__(self, look: deltas.Round | None):
    self._look, self._waiting = look, {}
    self._counts, self._any = None, False

  def add(self, name: str, at: _job.Name, seen: Any) -> None:
    """Adds what was seen of a leaf, under its own name."""
    seen = _renamed(jax.tree.map(_on_host, seen), at, _job.Name(name))
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


def _renamed(seen: Any, at: _job.Name, name: _job.Name) -> Any:
  """Returns what was seen of `at` as seen of `name`."""
  if isinstance(seen, dict):
    own = lambda k: name if isinstance(k, _job.Name) and k == at else k
    return {own(k): _renamed(x, at, name) for k, x in seen.items()}
  if isinstance(seen, list | tuple):
    return type(seen)(_renamed(x, at, name) for x in seen)
  return seen


def _on_host(x: jax.Array) -> np.ndarray:
  x = np.asarray(x)
  return x.astype(np.int64) if np.issubdtype(x.dtype, np.integer) else x
