"""Matching by the weights alone."""

import time
from collections.abc import Mapping
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _ascent
from paramspace.matching import _auction
from paramspace.matching import _clock
from paramspace.matching import _device
from paramspace.matching import _grow
from paramspace.matching import _host
from paramspace.matching import _lapx_solver
from paramspace.matching import _match
from paramspace.matching import _plan
from paramspace.matching import _scipy_solver
from paramspace.matching import _search

SOLVERS = {
  'auction': _auction.auction,
  'lapx': _lapx_solver.lapx,
  'scipy': _scipy_solver.scipy,
}
STARTS = ('growth', 'identity', 'outwards', 'random')


def weight_matching(
  key: base.PRNGKey,
  spec: symmetry.Spec,
  a: base.Params,
  b: base.Params,
  *,
  solver: str | _scipy_solver.Solver = 'scipy',
  init: symmetry.Element | None = None,
  starts: Sequence[str] = ('growth', 'identity'),
  exclude: trees.Pattern | None = None,
  weights: Mapping[str, float] | None = None,
  max_sweeps: int = 100,
  on: str | None = None,
) -> _match.Match:
  r"""Finds the element g that makes <a, g.b> large, and so |a - g.b| small.

  Coordinate ascent, from several starts, the best of which is kept: with all
  other groups held, the best permutation of a group is a linear assignment of
  the values A[i, j], the inner products of what belongs to unit i of `a` with
  what belongs to unit j of `b`. Heads are assigned with what is within them.

  The start 'growth' goes outwards from the axes that nothing permutes, with
  beliefs about assignments in place of assignments until they are certain; it
  finds a permutation that is there in much more noise than the identity does.
  Where it became certain of every group, no other start is tried; and a start
  that stays far behind the best so far is given up. 'outwards' goes the same
  way once, and assigns each group as it comes to it: a quick start that leads
  higher than the identity, and finds what stands out of the noise.

  Args:
    key: Draws the orders of the sweeps, and random starts.
    spec: The symmetries.
    a: A tree of its leaves.
    b: The tree to be permuted.
    solver: 'scipy', 'lapx' or 'auction', or a function `[b, n, n]` values ->
      columns `[b, n]`, gaps `[b]`.
    init: An element to start from, in place of `starts`.
    starts: Of 'growth', 'identity', 'outwards' and 'random'; one may come
      several times.
    exclude: A pattern of leaves that do not count, as batch statistics.
    weights: By pattern of leaves, the factor of their inner product; 1 for the
      leaves of none.
    max_sweeps: Of one start.
    on: Where products are computed: 'host', by BLAS, or 'device', by a program
      for each shape. The host for arrays on CPUs if it is not given.

  Returns:
    The element, and how it was found.

  Raises:
    ValueError: If a tree does not fit the specification, a value is not finite,
      or an argument is none of those named.

  Example:
    >>> import jax
    >>> from paramspace import matching, symmetry
    >>> unit = symmetry.Factor('hidden', 8)
    >>> spec = symmetry.Spec(
    ...   {'hidden': symmetry.Group(8)},
    ...   {
    ...     'in': (symmetry.Factor(None, 4), unit),
    ...     'out': (unit, symmetry.Factor(None, 2)),
    ...   },
    ... )
    >>> draw = lambda seed, *s: jax.random.normal(jax.random.key(seed), s)
    >>> a = {'in': draw(0, 4, 8), 'out': draw(1, 8, 2)}
    >>> moved = symmetry.act(spec, symmetry.random(jax.random.key(2), spec), a)
    >>> match = matching.weight_matching(jax.random.key(3), spec, a, moved)
    >>> found = symmetry.act(spec, match.element, moved)
    >>> bool((found['in'] == a['in']).all())
    True

  Note: The paper starts from the identity alone, and goes group by group.

  References:
    Ainsworth et al, 2022, Git Re-Basin, https://arxiv.org/abs/2209.04836,
    Section 3.2; Gold and Rangarajan, 1996, A Graduated Assignment Algorithm for
    Graph Matching, for beliefs in place of assignments.
  """
  if init is None:
    _check_starts(starts)
  else:
    symmetry.check(spec, init, 'init')
  began, clock = time.perf_counter(), _clock.Clock()
  solve = _timed(_solver(solver), clock)
  leaves = _leaves(spec, a, b, exclude)
  arrays = _arrays(on, leaves)
  plan = _plan.plan(spec, {n: x.shape for n, (x, _) in leaves.items()})
  factors = _factors(leaves, weights or {})
  best, seeds = None, np.ravel(jax.random.key_data(key)).tolist()
  with arrays.workers() as each:
    blocks = _blocks(plan, arrays, leaves, factors, each)
    search = _search.Search(plan, arrays, *blocks, each, clock)
    for k, start in enumerate(starts if init is None else ('init',)):
      rng = np.random.default_rng([*seeds, k])
      known = -np.inf if best is None else best[0][-1]
      given = rng, solve, max_sweeps, known
      found, certain = _from(search.copy(), start, init, *given)
      if best is None or found[0][-1] > best[0][-1]:
        best = found
      if certain:
        break
  trace, gap, element = best
  spent = time.perf_counter() - began
  return _match.Match(
    {name: jnp.asarray(x, jnp.int32) for name, x in element.items()},
    np.array(trace),
    len(trace) - 1,
    gap,
    dict(clock.seconds) | {'dispatch': spent - sum(clock.seconds.values())},
  )


def _from(search, start, init, rng, solve, most, best):
  """Returns where one start leads, and whether growth was certain."""
  certain = False
  if start == 'init':
    search.start(init)
  elif start == 'random':
    search.start(_random(rng, search.plan.spec))
  elif start == 'growth':
    certain = _grow.Growth(search, solve).run()
  elif start == 'outwards':
    _grow.Growth(search, solve).outwards()
  trace, gap = _ascent.ascend(search, rng, solve, most, best)
  return (trace, gap, search.element), certain


def _check_starts(starts):
  for start in starts:
    if start not in STARTS:
      raise ValueError(f'`starts` are of {STARTS}, got {start!r}.')
  if not starts:
    raise ValueError('`starts` is empty; name one, or give `init`.')


def _solver(solver):
  if not isinstance(solver, str):
    return solver
  if solver not in SOLVERS:
    raise ValueError(f'`solver` must be of {sorted(SOLVERS)}, got {solver!r}.')
  return SOLVERS[solver]()


def _timed(solve, clock):
  def timed(values):
    with clock('assignment'):
      return solve(values)

  return timed


def _leaves(spec, a, b, exclude):
  """Returns the pairs of leaves that count, by name."""
  first, second = symmetry.fit(spec, a), symmetry.fit(spec, b)
  out = set(trees.match(a, exclude)) if exclude is not None else set()
  leaves = {
    name: (x, second[name])
    for name, x in first.items()
    if name not in out and trees.is_floating(x)
  }
  if not leaves:
    raise ValueError('No floating-point leaf is left to match by.')
  for name, (_, y) in leaves.items():
    if not trees.is_floating(y):
      raise ValueError(f'b: leaf {name!r} should be floating, got {y.dtype}.')
  return leaves


def _arrays(on, leaves):
  """Returns the module that computes."""
  if on not in (None, 'host', 'device'):
    raise ValueError(f"`on` must be 'host', 'device' or None, got {on!r}.")
  if on is None:
    arrays = [x for pair in leaves.values() for x in pair]
    arrays = [x for x in arrays if isinstance(x, jax.Array)]
    where = {d.platform for x in arrays for d in x.devices()}
    on = 'host' if where <= {'cpu'} else 'device'
  return _host if on == 'host' else _device


def _factors(leaves, weights):
  """Returns the factor of each leaf's inner product."""
  factors = dict.fromkeys(leaves, 1.0)
  tree = {name: x for name, (x, _) in leaves.items()}
  for pattern, weight in weights.items():
    if not weight >= 0:
      raise ValueError(f'`weights` are at least 0; {pattern!r} has {weight}.')
    factors |= dict.fromkeys(trees.match(tree, pattern), weight)
  return factors


def _blocks(plan, arrays, leaves, factors, each):
  """Returns the blocks of both models, the first times the leaves' factors."""
  found = []
  for k, what in enumerate('ab'):
    whole = {name: arrays.put(pair[k]) for name, pair in leaves.items()}
    sums = each(lambda x: float(x.sum()), whole.values())
    for name, total in zip(whole, sums, strict=True):
      if not abs(total) < np.inf:
        raise ValueError(
          f'{what}: leaf {name!r} has a value that is not finite; nothing can '
          'be matched by it.'
        )
    found.append([_cut(whole[block.leaf], block) for block in plan.blocks])
  for i, block in enumerate(plan.blocks):
    if factors[block.leaf] != 1:
      found[0][i] = found[0][i] * factors[block.leaf]
  return found


def _cut(x, block):
  x = x if block.index is None else x[np.ix_(*block.index)]
  return x.reshape(block.shape)


def _random(rng, spec):
  return {
    name: rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)
    for name, shape in symmetry.shapes(spec).items()
  }
