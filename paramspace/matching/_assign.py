"""What families are best assigned, given what is said of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import symmetry
from paramspace.matching import _plan
from paramspace.matching import _scipy_solver
from paramspace.matching import _search
from paramspace.matching import _still

TIE = 1e-6  # Of the largest value: what staying is worth, so that ties stay.


class Assigned(NamedTuple):
  """An assignment of one family.

  Attributes:
    step: From where each entry should come, by group.
    gain: What it adds to the sum of the chosen values, in float64.
    gap: By how much it may be short of the best.
    size: The largest value there is, for a tolerance.
  """

  step: _search.Step
  gain: float
  gap: float
  size: float


class _Solved(NamedTuple):
  """Assignments of values `[*batch, n, n]`."""

  columns: np.ndarray  # [*batch, n]
  values: np.ndarray  # [*batch], the sums of the chosen values.
  still: np.ndarray  # [*batch], the sums of the diagonals.
  gaps: np.ndarray  # [*batch]
  size: float


def assign(
  plan: _plan.Plan,
  evidence: dict[str, dict],
  solver: _scipy_solver.Solver,
) -> dict[str, Assigned]:
  """Returns the best assignment of each of some families.

  In a family with an outer group the value of a pair of its indices is what
  is said of them, and the most that the inner groups can add: the inner
  assignments of all pairs are solved, then the outer one.

  Args:
    plan: The plan.
    evidence: By family and group, as `_search.Search.evidence` returns it.
    solver: What solves a batch; the problems of one size are one batch.

  Returns:
    By family, an assignment.
  """
  inner, between = {}, {}
  for family, said in evidence.items():
    outer = plan.families[family].outer
    for group, x in said.items():
      if group != outer:
        # [*batch, h, i, h', j] -> [*batch, h, h', i, j]
        inner[family, group] = x.swapaxes(-3, -2) if outer else x
  within = _solved(plan, inner, solver)
  for family, said in evidence.items():
    outer = plan.families[family].outer
    if outer:
      x = said.get(outer, _nothing(plan, outer))
      for group in plan.families[family].inner:
        if group in said:
          values = within[family, group].values
          added = _still.summed(plan.spec, group, outer, values)
          x = x + added.astype(x.dtype)
      between[family, outer] = x
  solved = within | _solved(plan, between, solver)
  return {f: _assigned(plan, f, said, solved) for f, said in evidence.items()}


def _nothing(plan, outer):
  """Returns the evidence of a group of which nothing is said."""
  shape = symmetry.shapes(plan.spec)[outer]
  return np.zeros((*shape, shape[-1]), np.float32)


def _solved(plan, problems, solver):
  """Returns the assignments of all problems, those of a size in one batch."""
  found, sizes = {}, {}
  for key, x in problems.items():
    sizes.setdefault(x.shape[-1], []).append(key)
  for n, keys in sizes.items():
    flat = [problems[key].reshape(-1, n, n) for key in keys]
    largest = [float(abs(x).max()) for x in flat]
    stays = [
      (TIE * most * _stays(plan, *key, problems[key])).reshape(-1, n, n)
      for key, most in zip(keys, largest, strict=True)
    ]
    on_host = all(isinstance(x, np.ndarray) for x in flat)
    stack = np.concatenate if on_host else jnp.concatenate
    both = [x + stay for x, stay in zip(flat, stays, strict=True)]
    columns, gaps = solver(stack(both))
    cuts = np.cumsum([len(x) for x in flat])[:-1]
    parts = zip(np.split(columns, cuts), np.split(gaps, cuts), strict=True)
    for key, x, most, (c, gap) in zip(keys, flat, largest, parts, strict=True):
      batch = problems[key].shape[:-2]
      found[key] = _Solved(
        c.reshape(*batch, n),
        chosen(x, c).reshape(batch),
        chosen(x, np.broadcast_to(np.arange(n), c.shape)).reshape(batch),
        gap.reshape(batch),
        most,
      )
  return found


def _stays(plan, family, group, x):
  """Returns ones where an index stays where it is, `[(h, h',) i, i]`."""
  n = x.shape[-1]
  still = np.eye(n, dtype=x.dtype)
  outer = plan.families[family].outer
  if outer not in (None, group):
    same = np.eye(x.shape[-3], dtype=x.dtype)
    still = same[:, :, None, None] * still[None, None]
  return np.broadcast_to(still, x.shape)


def chosen(x: jax.Array, columns: np.ndarray) -> np.ndarray:
  """Returns the sums of `x[b, i, columns[b, i]]` over i, float64 `[b]`."""
  index = columns[:, :, None].astype(np.int32)
  if isinstance(x, np.ndarray):
    taken = np.take_along_axis(x, index, -1)
  else:
    taken = np.asarray(jnp.take_along_axis(x, jnp.asarray(index), -1))
  return taken[:, :, 0].sum(-1, dtype=np.float64)


def _assigned(plan, name, said, solved):
  """Puts the assignments of the groups of a family together."""
  outer, inner = plan.families[name]
  if outer is None:
    found = solved[name, name]
    gain = found.values.sum() - found.still.sum()
    return Assigned({name: found.columns}, gain, found.gaps.sum(), found.size)
  top = solved[name, outer]
  step = {outer: top.columns}
  # What the indices of the outer group say alone, and the inner ones added.
  gain = (top.values - top.still).sum()
  gap, size = top.gaps.sum(), top.size
  for group in inner:
    if group in said:
      found = solved[name, group]
      gain += np.trace(found.values - found.still, 0, -2, -1).sum()
      axis = plan.spec.groups[group].over.index(outer)
      froms = _still.lifted(plan.spec, outer, group, top.columns)[..., None]
      columns = np.take_along_axis(found.columns, froms[..., None], -2)
      step[group] = np.moveaxis(columns[..., 0, :], -2, axis)
      gap += np.take_along_axis(found.gaps, froms, -1).sum()
  return Assigned(step, float(gain), float(gap), size)
