"""What a specification has missed."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _axis
from paramspace.symmetry import _float64
from paramspace.symmetry import _spec

STEP = 0.3  # How far tied entries are pulled apart, relative to their size.


class Missed(NamedTuple):
  """A part of an axis that the specification lets stay, but need not.

  Attributes:
    leaf: Its name.
    axis: Which axis of the leaf.
    part: Which factor of the axis, counted from zero as in its notation.
    size: How many entries the factor has.
  """

  leaf: str
  axis: int
  part: int
  size: int


class _Place(NamedTuple):
  missed: Missed
  place: _axis.Place


def complete(
  apply: Callable[..., Any],
  params: base.Params,
  spec: _spec.Spec,
  *inputs: Any,
  tries: int = 2,
  tolerance: float = 1e-12,
  jitter: float = 0.01,
) -> tuple[Missed, ...]:
  """Returns parts of axes that stay in `spec`, but could be permuted.

  A symmetry swaps entries i and j on several leaves at once, on which ones is
  not known. So let theta have entry i equal to entry j on all axes of one size
  that stay, pull the two apart on one of these axes alone, by d, and compare
  f(theta + d) with f(theta - d): swapping takes one to the other, so that they
  are equal if the axis takes part in a symmetry. Axes for which they differ are
  given their entries back, and the others tried again, until all are equal.
  What is left is swapped at once, at the parameters themselves: it is returned
  if the function stays the same.

  Args:
    apply: `(params, *inputs) -> outputs`.
    params: The parameters.
    spec: A specification that `verify` has found right.
    *inputs: Arrays, or trees of them. Entries that the function does not use on
      these inputs, such as the row of a token that is not there, tell nothing
      and are left out.
    tries: How many pairs (i, j) of each size, drawn from the size.
    tolerance: Of the relative error of the outputs, in float64.
    jitter: As in `verify`.

  Returns:
    What was missed, in the order of the leaves; empty if nothing was.

  Raises:
    ValueError: As `verify` does, where the tree does not fit or the function
      cannot be evaluated.

  Note: Pairs are the same entries on every axis, and whether a permutation
    could differ from one head to another is not asked: an empty result is
    evidence, and no proof.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import symmetry
    >>> params = {'in': jnp.ones((3, 4)), 'out': jnp.ones((4, 2))}
    >>> apply = lambda p, x: jnp.tanh(x @ p['in']) @ p['out']
    >>> spec = symmetry.from_rules(params, {}, rest='...')
    >>> missed = symmetry.complete(apply, params, spec, jnp.ones((5, 3)))
    >>> [(m.leaf, m.axis) for m in missed if m.size == 4]
    [('in', 1), ('out', 0)]
  """
  leaves = _spec.fit(_spec.checked(spec), params)
  floating = {name for name, x in leaves.items() if trees.is_floating(x)}
  sizes = {}
  for name in sorted(floating):
    for place in _fixed(name, spec):
      sizes.setdefault(place.missed.size, []).append(place)
  found = set()
  with _float64.precision():
    theta = _float64.jittered(params, jitter)
    xs = _float64.widened(inputs)
    run, _ = _float64.compiled(apply, theta, *xs)
    _float64.check_outputs(run(theta, *xs))
    old = trees.named(theta)
    f = lambda leaves: run(trees.replace(theta, leaves), *xs)
    for size, places in sizes.items():
      for pair in _pairs(size, tries):
        found |= set(_missed(f, old, places, pair, tolerance))
  order = {name: k for k, name in enumerate(leaves)}
  return tuple(sorted(found, key=lambda m: (order[m.leaf], *m[1:])))


def _fixed(leaf, spec):
  """Yields the factors of a leaf that stay and have something to swap."""
  axes = spec.leaves[leaf]
  parts = [0] * len(axes)
  for place in _axis.all_places(axes):
    part, (name, size) = parts[place.axis], place.factor
    parts[place.axis] += 1
    if size > 1 and (name is None or not spec.groups[name].moves):
      yield _Place(Missed(leaf, place.axis, part, size), place)


def _pairs(size, tries):
  """Returns pairs of different entries, each once."""
  rng = np.random.default_rng(size)
  drawn = [rng.choice(size, 2, replace=False) for _ in range(tries)]
  return sorted({(int(min(p)), int(max(p))) for p in drawn})


def _missed(f, leaves, places, pair, tolerance):
  """Returns the places at which a pair can be swapped, all at once."""
  want = f({})
  equal = lambda a, b: _float64.difference(a, b) <= tolerance

  def used(p):
    # Not all by one number: a norm might undo that.
    rng = np.random.default_rng(0)
    more = lambda x: x * (1 + STEP * rng.random(x.shape))
    shake = lambda a, b: (more(a), more(b))
    return not equal(f(_changed(leaves, [p], pair, shake)), want)

  places = [p for p in places if used(p)]
  while places:
    tied = leaves | _changed(leaves, places, pair, _mean)

    def even(p, tied=tied, places=tuple(places)):
      leaf = p.missed.leaf
      step = tied[leaf] * _apart(leaf, tied[leaf].shape, p, places, pair)
      one, other = ({**tied, leaf: tied[leaf] + s * step} for s in (1, -1))
      return equal(f(one), f(other))

    left = [p for p in places if even(p)]
    if len(left) == len(places):
      break
    places = left
  swapped = _changed(leaves, places, pair, lambda a, b: (b, a))
  return [p.missed for p in places] if equal(f(swapped), want) else []


def _mean(a, b):
  return (a + b) / 2, (a + b) / 2


def _apart(leaf, shape, p, places, pair):
  """Returns, relative to a leaf, what pulls its entries i and j apart at `p`.

  Where the leaf has other places, it is the same for i and j of those: a
  symmetry may be on two axes of one leaf. It is small: what is positive stays.
  """
  rng = np.random.default_rng(0)
  here = [q for q in places if q.missed.leaf == leaf]
  noise = {leaf: rng.uniform(0.5, 1.0, shape) * STEP}
  noise |= _changed(noise, here, pair, _mean)
  sign = {leaf: np.zeros(shape)}
  sign |= _changed(sign, [p], pair, lambda a, b: (a + 1, b - 1))
  return sign[leaf] * noise[leaf]


def _changed(leaves, places, pair, change):
  """Returns the leaves at `places`, their entries i and j changed."""
  new = {}
  for missed, place in places:
    x = new.get(missed.leaf, leaves[missed.leaf])
    x = np.moveaxis(np.array(x), place.axis, 0)
    at = [np.flatnonzero(place.inside & (place.coordinate == k)) for k in pair]
    x[at[0]], x[at[1]] = change(x[at[0]], x[at[1]])
    new[missed.leaf] = np.moveaxis(x, 0, place.axis)
  return new
