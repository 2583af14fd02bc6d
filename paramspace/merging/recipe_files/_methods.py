"""mergekit's methods, each with the recipe of ours that is the same."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import deltas
from paramspace.merging import _breadcrumbs
from paramspace.merging import _dare
from paramspace.merging import _della
from paramspace.merging import _karcher
from paramspace.merging import _linear
from paramspace.merging import _model_stock
from paramspace.merging import _multislerp
from paramspace.merging import _nuslerp
from paramspace.merging import _sce
from paramspace.merging import _slerp
from paramspace.merging import _task_arithmetic
from paramspace.merging import _ties

Given = Mapping[str, Any]  # The value of each parameter.

REQUIRED = object()
_STRAIGHT = 0.9995  # The cosine above which mergekit takes an arc for a line.

# The types of parameters that are not numbers, or not any number.
KINDS = {
  'filter_wise': bool,
  'int8_mask': bool,
  'max_iter': int,
  'normalize': bool,
  'normalize_weights': bool,
  'nuslerp_flatten': bool,
  'nuslerp_row_wise': bool,
  'rescale': bool,
}


class Method(NamedTuple):
  """A method of mergekit's.

  Attributes:
    make: Returns the recipe, from values that hold for a model at a leaf.
    shared: The parameters of all models, with their defaults.
    each: Those of each model.
    base: 'needed'; 'used', where one is named; or 'merged', like any model.
    least: How many models it merges at least, beside a base.
    most: And at most.
    divides: Whether `normalize` divides the weights by their sum; otherwise the
      recipe knows what it means.
    only: Values that a parameter must have, because we have no other.
    note: How ours differs.
  """

  make: Callable[[Given], base.Recipe]
  shared: Mapping[str, Any] = {}
  each: Mapping[str, Any] = {}
  base: str = 'needed'
  least: int = 1
  most: int | None = None
  divides: bool = False
  only: Mapping[str, Any] = {}
  note: str = ''

  @property
  def kinds(self) -> dict[str, type]:
    """The types of its parameters."""
    names = [*self.shared, *self.each]
    return {name: KINDS.get(name, float) for name in names}


def _reduce(given: Given) -> str:
  return 'mean' if given['normalize'] else 'sum'


def _rescale(given: Given) -> str | None:
  return 'l1' if given['rescale'] else None


def _ties_recipe(given: Given) -> base.Recipe:
  reduce = _reduce(given)
  return _ties.ties(
    given['density'], given['lambda'], reduce, compat='mergekit'
  )


def _dare_linear_recipe(given: Given) -> base.Recipe:
  rate = 1 - given['density']
  return _dare.dare_linear(rate, given['lambda'], _rescale(given))


def _dare_ties_recipe(given: Given) -> base.Recipe:
  return _dare.dare_ties(
    1 - given['density'],
    scale=given['lambda'],
    reduce=_reduce(given),
    compat='mergekit',
    rescale=_rescale(given),
  )


def _breadcrumbs_recipe(given: Given) -> base.Recipe:
  return _breadcrumbs.breadcrumbs(
    given['density'], given['gamma'], given['lambda'], 'mergekit'
  )


def _breadcrumbs_ties_recipe(given: Given) -> base.Recipe:
  return _breadcrumbs.breadcrumbs_ties(
    given['density'], given['gamma'], given['lambda'], _reduce(given)
  )


def _della_recipe(given: Given) -> base.Recipe:
  made = _della.della(scale=given['lambda'], reduce=_reduce(given))
  return made._replace(prune=_magprune(given), config={})


def _della_linear_recipe(given: Given) -> base.Recipe:
  made = _della.della_linear(scale=given['lambda'])
  return made._replace(prune=_magprune(given), config={})


def _magprune(given: Given) -> deltas.Prune:
  """Along the last axis, the inputs of an output as PyTorch lays them out."""
  window = 2 * given['epsilon']
  return deltas.magprune(given['density'], window, _rescale(given))


def _slerp_recipe(given: Given) -> base.Recipe:
  """Without a t, it is the weight of the one model, another at every leaf."""
  if 't' in given:
    return _slerp.slerp(given['t'], _STRAIGHT)

  def apply(known: dict, leaf: base.Leaf) -> jax.Array:
    recipe = _slerp.slerp(jnp.asarray(leaf.weights)[0], _STRAIGHT)
    return recipe.combine.apply(known, leaf)

  made = _slerp.slerp(straight=_STRAIGHT)
  return base.Recipe(made.combine._replace(apply=apply))


def _nuslerp_recipe(given: Given) -> base.Recipe:
  return _nuslerp.nuslerp('deltas' if given['based'] else 'weights')


def _multislerp_recipe(given: Given) -> base.Recipe:
  return _multislerp.multislerp('deltas' if given['based'] else 'weights')


def _pruned(normalize: bool, rescale: bool) -> dict[str, Any]:
  """The parameters of all methods that prune deltas."""
  stored = {'int8_mask': False}  # How a mask is stored; it changes no result.
  own = {'lambda': 1.0, 'normalize': normalize, 'rescale': rescale}
  return own | stored


_WEIGHTED = {'weight': REQUIRED, 'density': 1.0}
_BREADCRUMBS = {**_WEIGHTED, 'gamma': 0.01}
_DELLA = {**_WEIGHTED, 'epsilon': 0.15}
_PLAIN = {'rescale': False}

METHODS = {
  'linear': Method(
    lambda given: _linear.linear(normalize=given['normalize']),
    {'normalize': True},
    {'weight': REQUIRED},
    base='merged',
  ),
  'task_arithmetic': Method(
    lambda given: _task_arithmetic.task_arithmetic(given['lambda']),
    _pruned(normalize=False, rescale=False),
    _WEIGHTED,
    divides=True,
  ),
  'ties': Method(_ties_recipe, _pruned(True, False), _WEIGHTED, only=_PLAIN),
  'dare_linear': Method(
    _dare_linear_recipe, _pruned(False, True), _WEIGHTED, divides=True
  ),
  'dare_ties': Method(_dare_ties_recipe, _pruned(False, True), _WEIGHTED),
  'breadcrumbs': Method(
    _breadcrumbs_recipe,
    _pruned(False, False),
    _BREADCRUMBS,
    divides=True,
    only=_PLAIN,
  ),
  'breadcrumbs_ties': Method(
    _breadcrumbs_ties_recipe, _pruned(False, False), _BREADCRUMBS, only=_PLAIN
  ),
  'della': Method(_della_recipe, _pruned(True, True), _DELLA),
  'della_linear': Method(
    _della_linear_recipe, _pruned(False, True), _DELLA, divides=True
  ),
  'model_stock': Method(
    lambda given: _model_stock.model_stock(),
    {'filter_wise': False},
    least=2,
    only={'filter_wise': False},
  ),
  'slerp': Method(
    _slerp_recipe,
    {'t': REQUIRED},
    most=1,
  ),
  'nuslerp': Method(
    _nuslerp_recipe,
    {'nuslerp_flatten': True, 'nuslerp_row_wise': False},
    {'weight': REQUIRED},
    base='used',
    least=2,
    most=2,
    only={'nuslerp_flatten': True},
  ),
  'multislerp': Method(
    _multislerp_recipe,
    {'normalize_weights': True},
    {'weight': REQUIRED},
    base='used',
    only={'normalize_weights': True},
  ),
  'karcher': Method(
    lambda given: _karcher.karcher(int(given['max_iter'])),
    {'max_iter': 10, 'tol': 1e-5},
    base='merged',
    only={'tol': 1e-5},
    note='karcher: all of max_iter steps are taken, whatever tol is.',
  ),
  'sce': Method(
    lambda given: _sce.sce(given['select_topk']),
    {'select_topk': 1.0, 'int8_mask': False},
    note=(
      'sce: models are weighed by their squares where those are small too, '
      'for which mergekit takes equal weights.'
    ),
  ),
  'passthrough': Method(
    lambda given: _linear.linear(normalize=False),
    each={'scale': 1.0},
    base='merged',
    most=1,
  ),
}

# The types of all parameters, of any method.
ALL_KINDS = {k: v for m in METHODS.values() for k, v in m.kinds.items()}

# Those that we do not have.
OTHERS = ('arcee_fusion', 'nearswap', 'ram', 'ramplus_tl')
