"""Which tasks are merged."""

import itertools
from collections.abc import Sequence

import numpy as np


def balanced(
  tasks: int, sizes: Sequence[int], seed: int = 0
) -> list[tuple[int, ...]]:
  """Returns all pairs, and of every larger size as many subsets as tasks.

  Those of one size are the arcs of a circle on which the tasks lie in random
  order, so that each task is in as many of them as any other: sizes do not
  differ in how hard their tasks are. All tasks are one subset.

  Args:
    tasks: How many there are.
    sizes: Of the subsets, in rising order.
    seed: Of the orders.

  Returns:
    Indices in rising order, subsets in the order of the sizes.

  Raises:
    ValueError: If a size is not from 2 to `tasks`, or they do not rise.

  >>> balanced(3, sizes=(2, 3))
  [(0, 1), (0, 2), (1, 2), (0, 1, 2)]
  """
  rising = list(sizes) == sorted(set(sizes))
  if not sizes or not rising or sizes[0] < 2 or sizes[-1] > tasks:
    raise ValueError(
      f'`sizes` must rise from 2 or more to {tasks}, the number of tasks, at '
      f'most; got {tuple(sizes)}.'
    )
  generator = np.random.default_rng(seed)
  found = []
  for size in sizes:
    circle = generator.permutation(tasks)
    arcs = {
      tuple(sorted(np.roll(circle, -start)[:size].tolist()))
      for start in range(tasks)
    }
    pairs = itertools.combinations(range(tasks), 2)
    found += sorted(pairs if size == 2 else arcs)
  return found
