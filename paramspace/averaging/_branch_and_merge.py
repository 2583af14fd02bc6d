"""Continual training in branches that are merged (BaM)."""

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from paramspace import base
from paramspace.averaging import _ingredients
from paramspace.averaging import _soups

Merge = Callable[[base.Params, Sequence[base.Params]], base.Params]


def branch_and_merge(
  params: base.Params,
  slices: Iterable[Any],
  train: Callable[[Any, base.Params], base.Params],
  branches: int = 2,
  merge: Merge | None = None,
) -> base.Params:
  r"""Trains on slices of the data, a few at a time apart, and merges.

  With the slices in groups of K, for one group after another:

    theta <- merge([train(slice, theta) for slice in group]).

  The mean of branches moves less from theta than training on the same slices in
  sequence does, and so forgets less. With one branch it is that sequence.

  Args:
    params: The base that training starts from.
    slices: The data in N parts, of whatever kind `train` takes.
    train: `(slice, params) -> params`, one training from `params` on a slice.
    branches: K; the last group has the rest of the slices.
    merge: `(params, [params, ...]) -> params`, of what a group began with and
      of its branches. Default is the mean of the branches.

  Returns:
    The parameters after the last group.

  Raises:
    ValueError: If there are no slices, `branches` is not a positive integer, or
      `train` or `merge` return another kind of tree; names the leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> train = lambda goal, params: params + 0.5 * (goal - params)
    >>> goals = [jnp.array([4.0, 0.0]), jnp.array([0.0, 4.0])]
    >>> averaging.branch_and_merge(jnp.zeros(2), goals, train)
    Array([1., 1.], dtype=float32)
    >>> arc = lambda params, two: averaging.slerp(*two, 0.5, base=params)
    >>> averaging.branch_and_merge(jnp.zeros(2), goals, train, merge=arc)
    Array([1.4142135, 1.4142135], dtype=float32)

  References:
    Alexandrov et al, 2024, Mitigating Catastrophic Forgetting in Language
    Transfer via Model Merging, https://arxiv.org/abs/2407.08699.
  """
  if isinstance(branches, bool) or branches != int(branches) or branches < 1:
    raise ValueError(f'`branches` must be a positive integer, got {branches}.')
  merge = merge or (lambda _, group: _soups.uniform_soup(group))
  rest = iter(slices)
  group = list(itertools.islice(rest, branches))
  if not group:
    raise ValueError('`slices` is empty; there is nothing to train on.')
  while group:
    trained = [train(part, params) for part in group]
    for k, branch in enumerate(trained):
      _ingredients.check_alike(params, branch, f'train: branch {k}')
    merged = merge(params, trained)
    _ingredients.check_alike(params, merged, 'merge: its result')
    params, group = merged, list(itertools.islice(rest, branches))
  return params
