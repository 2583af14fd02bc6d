r"""How often the signs of fine-tuned deltas disagree, as more are merged.

Of each delta the largest entries are kept. An entry of the model is in conflict
where one of the merged deltas raises it and another lowers it. Every subset of
the tasks is a merge; all are counted from one pass over the entries, because
all that matters of an entry is which deltas keep it, and with which sign.

References:
  Yadav et al, 2023, TIES-Merging: Resolving Interference When Merging Models,
  https://arxiv.org/abs/2306.01708, Figure 3.

Note: The paper draws the share of all parameters that conflict. Here it is the
  share of those that two deltas keep, or more, beside what signs that are drawn
  at random would give, and the shares of those that any keeps, and of all.
"""

import itertools
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.sentence_finetuning import tuned
from paramspace import base
from paramspace import deltas
from paramspace import trees
from paramspace.launch import errors

Config = ml_collections.ConfigDict


class Conflict(NamedTuple):
  """Fractions of entries in which signs disagree.

  Attributes:
    shared: Of the entries that two deltas keep, or more.
    kept: Of those that any keeps.
    whole: Of all.
    chance: As `shared`, expected if every sign were drawn at random: the mean
      of 1 - 2^(1 - m) over the shared entries, which m deltas keep.
  """

  shared: float
  kept: float
  whole: float
  chance: float


def run(config: Config, run: Any) -> dict[str, Any]:
  """Counts the conflicts of all subsets of the tasks, at one density.

  Args:
    config: See `configs/merging/minilm_sign_conflict.py`.
    run: A `launch.run.Run`.

  Returns:
    The 'subsets' of the tasks of two and more, and a list for each field of
    `Conflict`.
  """
  names = sorted(config.tasks)
  if len(names) < 2:
    raise errors.UsageError(f'`tasks` must be two or more, got {names}.')
  bench = tuned.bench(config)
  models = tuned.ensure(
    run, [tuned.finetuning(config, name, config.seed) for name in names]
  )
  with errors.usage():
    found = patterns(
      bench.encoder.params, [x.params for x in models], config.density
    )
  subsets = [
    tasks
    for size in range(2, len(names) + 1)
    for tasks in itertools.combinations(range(len(names)), size)
  ]
  conflicts = [conflict(found, len(names), tasks) for tasks in subsets]
  return {
    'subsets': [[names[task] for task in tasks] for tasks in subsets],
    **{
      field: [getattr(x, field) for x in conflicts]
      for field in Conflict._fields
    },
    'D': trees.size(bench.encoder.params),
  }


def patterns(
  origin: base.Params, models: Sequence[base.Params], density: float
) -> np.ndarray:
  """Counts the entries of each pattern of signs.

  Args:
    origin: The model that all were tuned from.
    models: The tuned models, n of them.
    density: The fraction of the entries of a delta that are kept, the largest
      of the tree.

  Returns:
    int64 `[3^n]`. The pattern's digit i, of weight 3^i, is 0 where model i does
    not keep the entry, 1 where it lowers it, and 2 where it raises it.

  Raises:
    ValueError: If the density is not in [0, 1].
  """
  prune = deltas.trim(density, scope='global')
  key = jax.random.key(0)  # A trim draws nothing.
  codes = None
  for i, model in enumerate(models):
    delta = prune(key, deltas.subtract(model, origin))
    digits = {
      name: np.asarray(jnp.sign(x), np.int32) % 3
      for name, x in trees.floating(delta).items()
    }
    # -1, 0 and 1 are 2, 0 and 1 modulo 3: raised and lowered change places.
    weighed = {name: (x * 2 % 3) * 3**i for name, x in digits.items()}
    codes = (
      weighed
      if codes is None
      else {n: codes[n] + x for n, x in weighed.items()}
    )
  counts = [
    np.bincount(x.ravel(), minlength=3 ** len(models)) for x in codes.values()
  ]
  return np.sum(counts, axis=0)


def conflict(
  counts: np.ndarray, models: int, merged: Sequence[int]
) -> Conflict:
  """Returns how often some models disagree.

  Args:
    counts: As returned by `patterns`.
    models: n, how many it is of.
    merged: The indices of those that are merged.

  Returns:
    The fractions; 0 where there is no entry to disagree in.

  Example:
    >>> counts = np.zeros(9, np.int64)
    >>> counts[[4, 7, 8, 0]] = 1, 2, 1, 4  # Both -; - and +; both +; none.
    >>> conflict(counts, models=2, merged=(0, 1))
    Conflict(shared=0.5, kept=0.5, whole=0.25, chance=0.5)
  """
  places = 3 ** np.asarray(merged)
  digits = np.arange(3**models)[:, None] // places % 3  # [3^n, merged]
  keepers = (digits > 0).sum(1)
  apart = (digits == 1).any(1) & (digits == 2).any(1)
  total = lambda where: int(counts[where].sum())
  disagreeing, shared = total(apart), keepers > 1
  expected = counts[shared] * (1 - 0.5 ** (keepers[shared] - 1))
  return Conflict(
    disagreeing / max(total(shared), 1),
    disagreeing / max(total(keepers > 0), 1),
    disagreeing / max(int(counts.sum()), 1),
    float(expected.sum()) / max(total(shared), 1),
  )
