"""Which examples each of several models is trained on."""

import numpy as np


def parts(
  labels: np.ndarray, models: int, own: float, examples: int
) -> list[np.ndarray]:
  """Deals examples out, so that each model has classes of its own.

  The classes are cut into as many groups as there are models, in their order.
  A share `own` of a model's examples is of its own group, and as many are of
  every other; no example is dealt to two.

  Args:
    labels: int `[N]`.
    models: M, how many.
    own: From 1 / M, where all groups are alike to a model, to 1, where it knows
      its own classes alone.
    examples: Of all models together.

  Returns:
    Indices in rising order, one array for each model.

  Raises:
    ValueError: If the share is out of its range, there are fewer classes than
      models, or fewer examples of a group than are asked for.

  Example:
    >>> parts(np.array([0, 1, 1, 0, 0, 1]), models=2, own=1.0, examples=4)
    [array([0, 3]), array([1, 2])]
  """
  classes = int(labels.max()) + 1
  if not 2 <= models <= classes:
    raise ValueError(
      f'`parts` must be 2 to {classes}, the number of classes, got {models}.'
    )
  # A hair below 1 / M, so that one third, written out, will do.
  if not 1 / models - 1e-6 <= own <= 1:
    raise ValueError(
      f'`own` must lie between 1 / {models}, where every group of classes is '
      f'alike to a model, and 1; got {own}.'
    )
  each = examples // models
  others = round(each * (1 - own) / (models - 1))
  mine = each - others * (models - 1)
  group = np.asarray(labels) * models // classes
  dealt = [[] for _ in range(models)]
  for of in range(models):
    found = np.flatnonzero(group == of)
    if len(found) < each:
      raise ValueError(
        f'`examples` = {examples} are {each} of every group of classes, but '
        f'group {of} has {len(found)}.'
      )
    cut = 0
    for model in [of, *(m for m in range(models) if m != of)]:
      count = mine if model == of else others
      dealt[model].append(found[cut : cut + count])
      cut += count
  return [np.sort(np.concatenate(x)) for x in dealt]
