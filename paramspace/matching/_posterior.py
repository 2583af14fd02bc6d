"""Beliefs about assignments: doubly stochastic matrices."""

import numpy as np

from paramspace import symmetry
from paramspace.matching import _plan
from paramspace.matching import _still

ROUNDS = 20
CLOSE = 0.01  # Sums of rows, near enough to one to stop.
TINY = 1e-30


def posterior(
  plan: _plan.Plan, family: str, logits: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """Returns how likely the pairs of a family are, given logits.

  Inner groups are marginalised: what a pair of outer indices is worth is the
  free energy of the inner assignment of the two.

  Args:
    plan: The plan.
    family: A name.
    logits: By group, `[*batch, *own, *own]` as `_host.pairs` has them.

  Returns:
    The same for probabilities: each row and each column sums to one.
  """
  outer, inner = plan.families[family]
  if outer is None:
    return {family: sinkhorn(logits[family])}
  shape = symmetry.shapes(plan.spec)[outer]
  total = logits.get(outer, np.zeros((*shape, shape[-1])))
  # [*batch, h, i, h', j] -> [*batch, h, h', i, j]
  pairs = {g: logits[g].swapaxes(-3, -2) for g in inner if g in logits}
  within = {group: sinkhorn(z) for group, z in pairs.items()}
  for group, p in within.items():
    z = pairs[group]
    free = (p * (z - np.log(np.maximum(p, TINY)))).sum((-1, -2))
    total = total + _still.summed(plan.spec, group, outer, free)
  between = sinkhorn(total)
  joint = {}
  for group, p in within.items():
    heads = _still.lifted(plan.spec, outer, group, between)
    joint[group] = (heads[..., None, None] * p).swapaxes(-3, -2)
  return joint | {outer: between}


def sinkhorn(logits: np.ndarray) -> np.ndarray:
  """Returns exp(logits) with rows and columns scaled to sum to one.

  Args:
    logits: `[..., n, n]`.

  Returns:
    The same shape; the rows exactly, the columns nearly.
  """
  x = np.exp(logits - logits.max(-1, keepdims=True))
  rows = np.ones((*x.shape[:-1], 1), x.dtype)
  for _ in range(ROUNDS):
    sums = x.swapaxes(-1, -2) @ rows
    columns = 1 / np.maximum(sums, TINY)
    before, rows = rows, 1 / np.maximum(x @ columns, TINY)
    if np.abs(before / rows - 1).max() < CLOSE:
      break
  return rows * x * columns.swapaxes(-1, -2)
