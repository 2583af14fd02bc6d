"""Rotations of the residual stream, and permutations beside them."""

import functools
from collections.abc import Collection
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _check
from paramspace.matching import _climb
from paramspace.matching import _nested
from paramspace.matching import _relaxed


class Rotated(NamedTuple):
  """An element and rotations that move one model near to another.

  Attributes:
    element: Acts first; the groups that rotate stay in it.
    rotations: By group, `[*over, size, size]`, as `rotate` takes them.
    objective: The sum of <a, moved b> over what moves, before the first sweep
      and after each, `[sweeps + 1]`.
    sweeps: How many there were.
  """

  element: symmetry.Element
  rotations: dict[str, jax.Array]
  objective: np.ndarray
  sweeps: int


def orthogonal(
  spec: symmetry.Spec,
  a: base.Params,
  b: base.Params,
  groups: Collection[str],
  *,
  still: trees.Pattern | None = None,
  sweeps: int = 20,
  tolerance: float = 1e-4,
) -> Rotated:
  r"""Matches b to a by rotations of some groups and permutations of the others.

  RMSNorm without a scale does not change under rotations, and all else on a
  residual stream is linear: a transformer computes the same function if all
  that writes to it is rotated and all that reads from it too. The same holds
  within a head, between values and outputs. Where permutations of a stream
  hardly bring two models nearer, a rotation does.

  Of one group, with the others held, the sum of <a, moved b> is linear in its
  matrix: sum <C, R>. The best rotation is the polar factor of C (Procrustes),
  the best permutation an assignment; heads are assigned by the best that each
  pair of them can do within. Groups that share no leaf are solved at once, all
  in turn until the sum grows no more. A group that is not solved yet counts by
  the mean of its elements, so that the first sweep grows from what is known.

  Args:
    spec: A specification, as of permutations.
    a: The model that is matched to, its norms' scales folded by `fold_norms`.
    b: The model that is moved, folded too.
    groups: Those that may rotate. That the model allows it cannot be seen from
      the specification: only linear maps, and RMSNorm, may see their axes.
    still: Which leaves on their axes do not rotate: the scales of norms, which
      are 1 now, and their biases, which are 0.
    sweeps: At most.
    tolerance: The gain of a sweep, relative to the sum, that ends them.

  Returns:
    `Rotated`. b moved is
    `rotate(spec, found.rotations, act(spec, found.element, b), still)`.

  Raises:
    ValueError: If a tree does not fit or has a NaN, there is no such group, or
      a leaf that should stay is not all 1 or all 0.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching, symmetry
    >>> spec = symmetry.Spec(
    ...   {'stream': symmetry.Group(2)},
    ...   {'embed': (symmetry.Factor(None, 2), symmetry.Factor('stream', 2))},
    ... )
    >>> a = {'embed': jnp.array([[1.0, 0.0], [0.0, 2.0]])}
    >>> b = {'embed': jnp.array([[0.0, 1.0], [-2.0, 0.0]])}  # A quarter turn.
    >>> found = matching.orthogonal(spec, a, b, ['stream'])
    >>> matching.rotate(spec, found.rotations, b)['embed'].round(3)
    Array([[1., 0.],
           [0., 2.]], dtype=float32)

  Note: The paper permutes heads by the distances of their circuits, the
    products of queries and keys and of values and outputs, and leaves their
    bases as they are. Here the kernels are compared, in the best basis if the
    units within heads are among `groups`.

  References:
    Theus et al, 2025, Generalized Linear Mode Connectivity for Transformers,
    https://arxiv.org/abs/2506.22712, Section 4. Schoenemann, 1966, A
    Generalized Solution of the Orthogonal Procrustes Problem.
  """
  _check.positive('sweeps', sweeps)
  _check.finite(a, 'a')
  _check.finite(b, 'b')
  leave = _still(spec, groups, still, a, b)
  move = _relaxed.moves(spec, a, leave)
  data = _relaxed.parts(spec, a, leave), _relaxed.parts(spec, b, leave)
  slope_of = functools.partial(
    _climb.slope_of, _relaxed.pair_value, move, data=data
  )
  element, rotations, trace = _ascended(
    spec, set(groups), _colours(spec, move), slope_of, sweeps, tolerance
  )
  return Rotated(
    {n: jnp.asarray(g, jnp.int32) for n, g in element.items()},
    {n: jnp.asarray(r) for n, r in rotations.items()},
    np.array(trace),
    len(trace) - 1,
  )


def _ascended(spec, groups, colours, slope_of, sweeps, tolerance):
  """Returns the element, the rotations, and the sum after each sweep."""
  hard = functools.partial(_nested.hard, spec)
  element, rotations = symmetry.identity(spec), _unturned(spec, groups)
  first, _ = slope_of(hard(element, rotations))
  here = _nested.barycenter(spec)
  here |= {name: 0 * here[name] for name in groups}
  trace, now = [float(first)], slope_of(here)
  for _ in range(sweeps):
    tried = dict(element), dict(rotations)
    for colour in colours:
      values = {name: np.asarray(now[1][name]) for name in colour}
      solved = _nested.solve(spec, values, groups & set(colour))
      tried[0].update({n: solved.element[n] for n in colour})
      tried[1].update(solved.rotations)
      new = hard(*tried)
      here = here | {name: new[name] for name in colour}
      now = slope_of(here)
    value = float(now[0])
    # Less only where a group is twice on a leaf, or by rounding.
    if value <= trace[-1]:
      break
    element, rotations = tried
    trace.append(value)
    if trace[-1] - trace[-2] <= tolerance * abs(trace[-2]):
      break
  return element, rotations, trace


def _unturned(spec, groups):
  shapes = symmetry.shapes(spec)
  eye = lambda s: np.broadcast_to(np.eye(s[-1], dtype=np.float32), (*s, s[-1]))
  return {name: eye(shapes[name]) for name in groups}


def _colours(spec, move):
  """Returns sets of groups that share no part, those within others with them.

  First those that share parts with the fewest matrices: the best known.
  """
  family = {n: _nested.outer(spec, n) or n for n in symmetry.shapes(spec)}
  meets = {name: set() for name in family.values()}
  for each in move:
    on = {family[name] for name, _ in each.matrices}
    for name in on:
      meets[name] |= on - {name}
  colours = []
  for name in sorted(meets, key=lambda n: (-_alone(move, family, n), n)):
    for colour in colours:
      if not meets[name] & colour:
        colour.add(name)
        break
    else:
      colours.append({name})
  members = lambda colour: [n for n, f in family.items() if f in colour]
  return [members(colour) for colour in colours]


def _alone(move, family, name):
  """Returns how many parts only this family moves."""
  return sum({family[n] for n, _ in m.matrices} == {name} for m in move)


def _still(spec, groups, pattern, a, b):
  """Returns the names of the leaves that stay, checked."""
  shapes = symmetry.shapes(spec)
  for name in groups:
    if name not in shapes:
      raise ValueError(
        f'There is no group {name!r} to rotate; near misses: '
        f'{trees.nearest(name, list(shapes))}.'
      )
  leaves_a, leaves_b = symmetry.fit(spec, a), symmetry.fit(spec, b)
  names = [] if pattern is None else trees.match(leaves_a, pattern)
  for name in names:
    for x in (leaves_a[name], leaves_b[name]):
      x = np.asarray(x)
      if not ((x == 1).all() or (x == 0).all()):
        raise ValueError(
          f'Leaf {name!r} should stay when its axes rotate, so it must be all '
          '1 or all 0; fold it into the kernels behind it by `fold_norms`.'
        )
  return tuple(names)
