"""Coefficients of a merge found by gradient (AdaMerging)."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramspace import base as types
from paramspace import trees
from paramspace.merging import _check
from paramspace.merging import _merge
from paramspace.merging import _task_arithmetic


class Adamerged(NamedTuple):
  """A merge with the coefficients that were found.

  Attributes:
    params: The merged model.
    weights: By model a scalar, or scalars by leaf name, as `merge` takes them.
    losses: Of the batches, in turn, before the step that each led to.
  """

  params: types.Params
  weights: dict[str, Any]
  losses: list[float]


def adamerging(
  loss: Callable[[types.Params, Any], jax.Array],
  base: types.Params,
  tuned: Mapping[str, types.Params],
  batches: Iterable[Any],
  *,
  recipe: types.Recipe | None = None,
  per: str = 'leaf',
  start: float = 0.3,
  clip: tuple[float, float] | None = (0.0, 1.0),
  optimizer: optax.GradientTransformation | None = None,
  key: types.PRNGKey | None = None,
) -> Adamerged:
  r"""Finds weights w that make a loss of merge(base, tuned, w) small.

  The paper's loss needs no labels: the entropy of the predictions, averaged
  over a batch and summed over the tasks, each with its own head. Any loss will
  do; the gradient goes through the merge.

  Args:
    loss: `(params, batch) -> scalar`.
    base: The model that all were tuned from.
    tuned: The models by name.
    batches: One for every step; an iterator ends the search by ending.
    recipe: `task_arithmetic()` if it is not given. `ties(reduce='sum')` is
      AdaMerging++.
    per: 'leaf', a weight for each leaf of each model, the paper's layer-wise
      method, or 'model', its task-wise one.
    start: Every weight before the first step.
    clip: The interval that weights are kept in after a step; None for no such.
    optimizer: Adam at 0.001 if it is not given.
    key: For recipes that draw: the same draw in every step.

  Returns:
    The merged model, the weights and the losses.

  Raises:
    ValueError: If an argument is out of its range, or as `merge` does.

  Example:
    >>> import jax.numpy as jnp, optax
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> tuned = {'a': {'w': jnp.array([1.0, 0.0])}}
    >>> loss = lambda params, target: jnp.sum((params['w'] - target) ** 2)
    >>> batches = [jnp.array([0.75, 0.0])] * 20
    >>> found = merging.adamerging(
    ...   loss, base, tuned, batches, optimizer=optax.sgd(0.25)
    ... )
    >>> round(float(found.weights['a']['w']), 3)
    0.75

  Note: The paper adapts to the inputs of the test sets.

  References:
    Yang et al, 2023, AdaMerging, https://arxiv.org/abs/2310.02575, Section 3.
  """
  _check.one_of('per', per, ('leaf', 'model'))
  recipe = recipe or _task_arithmetic.task_arithmetic()
  optimizer = optimizer or optax.adam(1e-3)
  if clip is not None and not clip[0] <= start <= clip[1]:
    raise ValueError(f'`start` {start} lies outside of `clip` {clip}.')
  one = lambda: jnp.full((), start, jnp.float32)
  names = list(trees.floating(base))
  weights = {
    model: {name: one() for name in names} if per == 'leaf' else one()
    for model in tuned
  }
  # Once outside `jit`, where the values of the models are checked.
  _merge.merge(base, tuned, recipe, weights=weights, key=key)

  @jax.jit
  def step(weights, state, base, tuned, batch):
    merged = lambda w: _merge.merge(base, tuned, recipe, weights=w, key=key)
    value, slope = jax.value_and_grad(lambda w: loss(merged(w), batch))(weights)
    with jax.numpy_dtype_promotion('standard'):  # optax needs it.
      updates, state = optimizer.update(slope, state, weights)
    weights = optax.apply_updates(weights, updates)
    if clip is not None:
      weights = jax.tree.map(lambda w: jnp.clip(w, *clip), weights)
    return weights, state, value

  state, losses = optimizer.init(weights), []
  for batch in batches:
    weights, state, value = step(weights, state, base, dict(tuned), batch)
    losses.append(value)
  params = _merge.merge(base, tuned, recipe, weights=weights, key=key)
  return Adamerged(params, weights, [float(x) for x in losses])
