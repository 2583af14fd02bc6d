"""Whether the models of a plan fit each other, before any value is read."""

from typing import NamedTuple

from paramspace.files import disk
from paramspace.merging import _vocabulary
from paramspace.merging.recipe_files import _plan

ABSENT = 'absent'


class Mismatch(NamedTuple):
  """A leaf that is not the same in a model as in the base.

  Attributes:
    leaf: Its name.
    model: The model's.
    expected: Its dtype and shape in the base, or `ABSENT`.
    found: Those in the model, or `ABSENT`.
  """

  leaf: str
  model: str
  expected: str
  found: str


def preflight(plan: _plan.Plan) -> list[Mismatch]:
  """Returns every leaf that differs from the base, in shape, dtype or at all.

  Args:
    plan: As `read` returns it.

  Returns:
    None of these, if the merge can begin.

  Example:
    >>> import numpy as np
    >>> from paramspace.files import disk
    >>> from paramspace.merging import linear, recipe_files
    >>> held = lambda *shape: disk.held({'w': np.ones(shape, np.float32)})
    >>> models = {'a': held(2), 'b': held(3)}
    >>> plan = recipe_files.Plan({}, held(2), models, linear())
    >>> recipe_files.preflight(plan)
    [Mismatch(leaf='w', model='b', expected='float32[2]', found='float32[3]')]
  """
  base, trees = plan.base, plan.models.values()
  if plan.vocabulary != 'same':
    base, trees, _ = _vocabulary.fit(base, plan.models, plan.vocabulary)
  return [
    Mismatch(leaf, model, expected, found)
    for model, tree in zip(plan.models, trees, strict=True)
    for leaf in [*base.leaves, *(tree.leaves.keys() - base.leaves)]
    for expected, found in [(_text(base, leaf), _text(tree, leaf))]
    if expected != found
  ]


def _text(tree: disk.Tree, name: str) -> str:
  if name not in tree.leaves:
    return ABSENT
  leaf = tree.leaves[name]
  return f'{leaf.stands_for.newbyteorder("=")}{list(leaf.shape)}'
