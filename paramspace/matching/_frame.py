"""A frame that many models share."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _match

Matcher = Callable[
  [base.PRNGKey, symmetry.Spec, base.Params, base.Params], _match.Match
]


class Matches(NamedTuple):
  """Elements that move many models into one frame.

  Attributes:
    elements: By model; all `act(spec, elements[name], models[name])` are near
      each other.
    objective: The sum over all pairs of models of their inner product, after
      each sweep, `[sweeps + 1]`.
    sweeps: How many there were.
  """

  elements: dict[str, symmetry.Element]
  objective: np.ndarray
  sweeps: int


def between(
  spec: symmetry.Spec,
  elements: Mapping[str, symmetry.Element],
  to: str,
  model: str,
) -> symmetry.Element:
  """Returns the element that moves `model` into the frame of the model `to`."""
  back = symmetry.inverse(spec, elements[to])
  return symmetry.compose(spec, back, elements[model])


class Task(NamedTuple):
  """The models, in the order of their names, and how two are matched."""

  key: base.PRNGKey
  spec: symmetry.Spec
  models: dict[str, base.Params]
  matcher: Matcher
  out: tuple[str, ...]

  def match(self, key, a, name, element):
    """Returns the element that brings a model to `a`.

    The matcher gets the model as `element` moved it, so that one that starts
    from the identity starts there.
    """
    moved = symmetry.act(self.spec, element, self.models[name])
    match = self.matcher(trees.key_for(key, name), self.spec, a, moved)
    return symmetry.compose(self.spec, match.element, element)

  def value(self, elements):
    """Returns the sum over pairs of the moved models' inner products."""
    total, own = {}, 0.0
    for name, model in self.models.items():
      moved = symmetry.fit(
        self.spec, symmetry.act(self.spec, elements[name], model)
      )
      for leaf, x in moved.items():
        if leaf not in self.out and trees.is_floating(x):
          x = np.asarray(x).astype(np.float64)
          total[leaf] = total.get(leaf, 0.0) + x
          own += np.vdot(x, x)
    return float(sum(np.vdot(x, x) for x in total.values()) - own) / 2


def anchored(task: Task, anchor: str) -> Matches:
  """Matches all models to one of them."""
  elements = {name: symmetry.identity(task.spec) for name in task.models}
  before = task.value(elements)
  for name in task.models:
    if name != anchor:
      near = task.models[anchor]
      elements[name] = task.match(task.key, near, name, elements[name])
  return Matches(elements, np.array([before, task.value(elements)]), 1)
