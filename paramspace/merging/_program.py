"""What is computed of leaves, of all in one program or of each in its own."""

import functools
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base as types
from paramspace import deltas
from paramspace import trees

Leaves = Mapping[str, jax.Array]


class Draw(NamedTuple):
  """What a prune draws by.

  The key is made where it is used: most prunes draw nothing.

  Attributes:
    keys: Of the models, `[n]`.
    model: Which one it is.
    tag: Of the leaf's own name.
  """

  keys: types.PRNGKey
  model: np.int32
  tag: np.uint32

  @property
  def key(self) -> types.PRNGKey:
    """That of `trees.key_for`."""
    return jax.random.fold_in(self.keys[self.model], self.tag)


def origin(combine: types.Combine, base: Leaves) -> dict[str, jax.Array]:
  """Returns what deltas are counted from."""
  if combine.origin == 'zero':
    return {n: jnp.zeros_like(x) for n, x in base.items()}
  return dict(base)


def leaves(
  origin: Leaves, stacks: Leaves, weights: Leaves, statistics: Leaves
) -> list[types.Leaf]:
  """Returns what a combine sees."""
  return [
    types.Leaf(name, trees.widen(x), stacks[name], weights[name], s)
    for name, x in origin.items()
    for s in [statistics.get(name)]
  ]


def merged(
  combine: types.Combine, known: dict, seen: Sequence[types.Leaf]
) -> dict[str, jax.Array]:
  """Returns the merged deltas."""
  return {leaf.name: combine.apply(known, leaf) for leaf in seen}


@functools.partial(jax.jit, static_argnums=(0, 1))
def look_at_model(
  look: deltas.Round,
  name: str,
  known: dict,
  draw: Draw,
  base: jax.Array,
  tuned: jax.Array,
) -> Any:
  """Returns what a prune's round sees of a leaf of one model."""
  delta = deltas.subtract({name: tuned}, {name: base})[name]
  return look.observe(known, draw.key, name, delta)


@functools.partial(jax.jit, static_argnums=(0, 1))
def prune_leaf(
  prune: deltas.Prune,
  name: str,
  known: dict,
  draw: Draw,
  base: jax.Array,
  tuned: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  """Returns the pruned delta of a leaf of one model, and what was kept.

  One model at a time: what a prune needs beside its result is there once.
  """
  delta = deltas.subtract({name: tuned}, {name: base})[name]
  pruned = prune.apply(known, draw.key, name, delta)
  return pruned, _density(pruned)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def look_at_leaf(
  look: deltas.Round,
  combine: types.Combine,
  prunes: tuple[deltas.Prune, ...],
  pruned: bool,
  name: str,
  known: dict,
  *given: Any,
) -> Any:
  """Returns what a combine's round sees of a leaf."""
  _, leaf = _leaf(combine, prunes, pruned, name, *given)
  return look.observe(known, leaf)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def is_open(
  look: deltas.Round,
  combine: types.Combine,
  prunes: tuple[deltas.Prune, ...],
  pruned: bool,
  name: str,
  known: dict,
  *given: Any,
) -> jax.Array:
  """Returns whether it matters for a leaf what a round will conclude."""
  _, leaf = _leaf(combine, prunes, pruned, name, *given)
  ends = [combine.apply(known | dict(x), leaf) for x in look.outcomes]
  differ = [end != ends[0] for end in ends[1:]]
  return jnp.any(functools.reduce(jnp.logical_or, differ))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def merge_leaf(
  combine: types.Combine,
  out_dtype: jax.typing.DTypeLike,
  prunes: tuple[deltas.Prune, ...],
  pruned: bool,
  name: str,
  known: dict,
  scale: jax.Array,
  *given: Any,
) -> tuple[jax.Array, jax.Array | None]:
  """Merges a leaf.

  Returns:
    The leaf, and the merged delta, if a cast may lose some of it.
  """
  start, leaf = _leaf(combine, prunes, pruned, name, *given)
  found = merged(combine, known, [leaf])
  out = deltas.add(start, found, scale, out_dtype)[name]
  return out, None if jnp.finfo(out.dtype).bits >= 32 else found[name]


@functools.partial(jax.jit, static_argnums=0)
def lost(
  combine: types.Combine,
  base: jax.Array,
  out: jax.Array,
  delta: jax.Array,
  scale: jax.Array,
) -> dict[str, jax.Array]:
  """Returns what the cast lost of a leaf.

  In the program that merges, XLA would compute the delta twice, and the second
  time, beside the sums, one entry after another.
  """
  start = origin(combine, {'': base})
  return deltas.lost_in({'': out}, start, {'': delta}, scale).total._asdict()


def _leaf(
  combine: types.Combine,
  prunes: tuple[deltas.Prune, ...],
  pruned: bool,
  name: str,
  pruning: tuple,
  base: jax.Array,
  models: Sequence[jax.Array],
  weights: jax.Array,
  statistics: jax.Array | None,
) -> tuple[dict[str, jax.Array], types.Leaf]:
  """Returns what deltas are counted from, and what the combine sees.

  Args:
    combine: The combine.
    prunes: Of the models, where they are still to be pruned.
    pruned: Whether `models`, where they are not, are pruned deltas; else they
      are the models themselves.
    name: The name of the leaf.
    pruning: What the prunes know, and what they draw by.
    base: Of the base.
    models: Of the models.
    weights: Of the models.
    statistics: Of the models.
  """
  start = origin(combine, {name: base})
  if prunes or not pruned:
    models = [deltas.subtract({name: x}, start)[name] for x in models]
  if prunes:
    each = zip(prunes, *pruning, models, strict=True)
    models = [p.apply(k, draw.key, name, x) for p, k, draw, x in each]
  stacks = {name: jnp.stack(models)}
  known = {name: statistics}
  (leaf,) = leaves(start, stacks, {name: weights}, known)
  return start, leaf


def _density(x: jax.Array) -> jax.Array:
  """Returns the fraction that is not 0, float32."""
  ones = (x != 0).astype(jnp.float32)
  rows = jnp.sum(ones, -1) if x.ndim else ones  # Exact, as a row has few.
  count = jnp.sum(rows.astype(jnp.int32))
  return count.astype(jnp.float32) / max(x.size, 1)
