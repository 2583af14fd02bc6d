"""What is measured: each method as mergekit has it, and as its paper does."""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace import base
from paramspace import merging

DENSITY, RATE, WINDOW = 0.2, 0.9, 0.14
SCALE = 1.1  # Of DELLA.


class Method(NamedTuple):
  """A method, with the same settings on both sides.

  Attributes:
    recipes: Ours by definition: 'mergekit', and 'paper' where that differs.
    shared: What the peer takes for all models.
    each: What the peer takes for each model but the base.
    based: Whether the peer takes the base.
    draws: Whether entries are drawn, each side's in its own way.
    most: How many models it merges; None for any number.
  """

  recipes: Mapping[str, base.Recipe]
  shared: Mapping[str, Any] = {}
  each: Mapping[str, Any] = {'weight': 1.0}
  based: bool = True
  draws: bool = False
  most: int | None = None


METHODS = {
  'linear': Method({'mergekit': merging.linear()}, based=False),
  'task_arithmetic': Method({'mergekit': merging.task_arithmetic()}),
  'ties': Method(
    {
      'mergekit': merging.ties(DENSITY, compat='mergekit'),
      'paper': merging.ties(DENSITY),
    },
    each={'weight': 1.0, 'density': DENSITY},
  ),
  'dare_ties': Method(
    {
      'mergekit': merging.dare_ties(
        RATE, reduce='sum', compat='mergekit', rescale='l1'
      ),
      'paper': merging.dare_ties(RATE),
    },
    each={'weight': 1.0, 'density': 1 - RATE},
    draws=True,
  ),
  'della': Method(
    {
      'mergekit': merging.della(0.7, WINDOW, SCALE, rescale='l1'),
      'paper': merging.della(0.7, WINDOW, SCALE),
    },
    shared={'lambda': SCALE},
    each={'weight': 1.0, 'density': 0.7, 'epsilon': WINDOW / 2},
    draws=True,
  ),
  'breadcrumbs': Method(
    {
      'mergekit': merging.breadcrumbs(0.15, 0.01, 1.0, 'mergekit'),
      'paper': merging.breadcrumbs(0.15, 0.01, 1.0),
    },
    each={'weight': 1.0, 'density': 0.15, 'gamma': 0.01},
  ),
  'model_stock': Method({'mergekit': merging.model_stock()}, each={}),
  'slerp': Method(
    {'mergekit': merging.slerp(0.35, straight=0.9995)},
    shared={'t': 0.35},
    each={},
    most=1,
  ),
}
