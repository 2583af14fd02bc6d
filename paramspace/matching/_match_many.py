"""Many models into one frame."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _check
from paramspace.matching import _frame
from paramspace.matching import _universe
from paramspace.matching import _weight_matching

METHODS = ('universe', 'mean', 'anchor')


def match_many(
  key: base.PRNGKey,
  spec: symmetry.Spec,
  models: Mapping[str, base.Params],
  method: str = 'universe',
  *,
  exclude: trees.Pattern | None = None,
  matcher: _frame.Matcher = _weight_matching.weight_matching,
  anchor: str | None = None,
  steps: int = 200,
  tolerance: float = 1e-6,
) -> _frame.Matches:
  r"""Finds an element for each model, into a frame that all share.

  'universe' climbs the sum of <P_i x_i, P_j x_j> over all pairs, all models
  and all groups at once, and no model is special: C2M3. 'mean' matches each
  model in turn to the mean of the others until no model moves for the better:
  git-re-basin's MergeMany. 'anchor' matches each to one of them.

  Model i into the frame of model j is `between(spec, elements, j, i)`. Going
  around a cycle of models so is the identity, exactly, because each step
  passes through the frame; matching pair by pair has no such law.

  Args:
    key: For what is drawn: the order of the models, and the matcher's draws.
    spec: A specification.
    models: By name, two or more.
    method: 'universe', 'mean' or 'anchor'.
    exclude: A pattern of leaves that do not count, as batch statistics.
    matcher: `(key, spec, a, b) -> Match`, for the
      mean, the anchor, and the matches that the universe's climb starts from.
    anchor: The name of the model that others are matched to; the first by
      name if it is not given. Its element is the identity.
    steps: At most, of the universe's climb and of the mean's sweeps.
    tolerance: Of the universe's climb, as in `frank_wolfe`, and the gain of a
      sweep of the mean, relative to the objective, that is not enough.

  Returns:
    `Matches`.

  Raises:
    ValueError: If there are fewer than two models, one does not fit or has a
      NaN, or an argument is out of its range.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import matching, symmetry
    >>> hidden = symmetry.Factor('hidden', 3)
    >>> spec = symmetry.Spec(
    ...   {'hidden': symmetry.Group(3)},
    ...   {'w': (symmetry.Factor(None, 1), hidden)},
    ... )
    >>> rows = {'a': [1.0, 2, 3], 'b': [3.0, 1, 2], 'c': [2.0, 3, 1]}
    >>> models = {name: {'w': jnp.array([x])} for name, x in rows.items()}
    >>> found = matching.match_many(jax.random.key(0), spec, models)
    >>> len({
    ...   str(symmetry.act(spec, found.elements[name], models[name]))
    ...   for name in models
    ... })
    1

  Note: The sum over pairs is taken from the sum of all models, so that a step
    costs as much as N products, not N^2. The paper's climb starts from the
    identity, this one from the matches to the first model and from midway
    between these and the matrices whose entries are all 1 / n; the better
    end is kept.

  References:
    Crisostomi et al, 2024, C2M3, https://arxiv.org/abs/2405.17897, Section 4.
    Ainsworth et al, 2022, https://arxiv.org/abs/2209.04836, Algorithm 3.
    Ito et al, 2024, https://arxiv.org/abs/2402.04051, on a common anchor.
  """
  _check.one_of('method', method, METHODS)
  _check.positive('steps', steps)
  names = sorted(models)
  if len(names) < 2:
    raise ValueError(f'Matching needs two models or more, got {names}.')
  for name in names:
    symmetry.fit(spec, models[name])
    _check.finite(models[name], f'model {name!r}')
  if anchor is not None and (method != 'anchor' or anchor not in models):
    raise ValueError(
      f"`anchor` is for method 'anchor' and one of {names}, got {anchor!r} "
      f'with {method!r}.'
    )
  out = () if exclude is None else trees.match(models[names[0]], exclude)
  if exclude is not None:
    matcher = functools.partial(matcher, exclude=exclude)
  task = _frame.Task(
    key, spec, {n: models[n] for n in names}, matcher, tuple(out)
  )
  if method == 'universe':
    return _universe.universe(task, steps, tolerance)
  if method == 'mean':
    return _mean(task, steps, tolerance)
  return _frame.anchored(task, anchor or names[0])


def _mean(task, steps, tolerance):
  elements = {name: symmetry.identity(task.spec) for name in task.models}
  moved, value = dict(task.models), task.value(elements)
  trace = [value]
  for sweep in range(steps):
    key = jax.random.fold_in(task.key, sweep)
    order = np.asarray(jax.random.permutation(key, len(task.models)))
    for name in [list(task.models)[k] for k in order]:
      others = [x for other, x in moved.items() if other != name]
      mean = jax.tree.map(_middle, *others)
      element = task.match(key, mean, name, elements[name])
      tried = elements | {name: element}
      if (reached := task.value(tried)) > value:
        elements, value = tried, reached
        moved[name] = symmetry.act(task.spec, elements[name], task.models[name])
    trace.append(value)
    if trace[-1] - trace[-2] <= tolerance * abs(trace[-2]):
      break
  return _frame.Matches(elements, np.array(trace), len(trace) - 1)


def _middle(*xs):
  if not trees.is_floating(xs[0]):
    return xs[0]
  return sum(map(trees.widen, map(jnp.asarray, xs))) / len(xs)
