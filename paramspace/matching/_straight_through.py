"""Permutations learned by gradient (straight-through estimator)."""

import functools
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
import optax

from paramspace import base
from paramspace import symmetry
from paramspace import trees
from paramspace.matching import _check
from paramspace.matching import _match
from paramspace.matching import _weight_matching

Matcher = Callable[
  [base.PRNGKey, symmetry.Spec, base.Params, base.Params], _match.Match
]

# From the identity, which is where the last batch left off.
WARM = functools.partial(_weight_matching.weight_matching, starts=('identity',))


def straight_through(
  key: base.PRNGKey,
  spec: symmetry.Spec,
  loss: Callable[[base.Params, Any], jax.Array],
  a: base.Params,
  b: base.Params,
  batches: Iterable[Any],
  *,
  matcher: Matcher = WARM,
  optimizer: optax.GradientTransformation | None = None,
) -> _match.Match:
  r"""Finds an element g for which the midpoint of a and g.b has a small loss.

  Parameters theta start at a. For each batch g is what matches b to theta, and
  theta moves down the slope of the loss at (a + g.b) / 2, taken as if g.b were
  theta. So theta is where b should go, and never used but to be matched to.

  Args:
    key: Passed on to the matcher, another for each batch.
    spec: A specification.
    loss: `(params, batch) -> scalar`.
    a: The model that is matched to.
    b: The model that is moved.
    batches: One for every step; an iterator ends the search by ending. The
      midpoint of small batches is noisy, and the best is the one that a single
      batch likes best: make them large.
    matcher: `(key, spec, a, b) -> Match`; `weight_matching` from the identity
      if it is not given. It gets b as the last element moved it, so that it
      starts warm.
    optimizer: SGD at 0.01 with momentum 0.9 if it is not given.

  Returns:
    A `Match` with the element of the batch with the smallest loss. Its
    objective is minus the loss of each batch, before the step that it led to;
    its sweeps are the batches. The gap is that of the best one's matching.

  Raises:
    ValueError: If a tree does not fit or has a NaN, there are no batches, or
      no loss is finite.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import matching, symmetry
    >>> hidden = symmetry.Factor('hidden', 2)
    >>> spec = symmetry.Spec(
    ...   {'hidden': symmetry.Group(2)},
    ...   {'w': (symmetry.Factor(None, 1), hidden)},
    ... )
    >>> a, b = {'w': jnp.array([[1.0, 2]])}, {'w': jnp.array([[2.0, 1]])}
    >>> loss = lambda params, target: jnp.sum((params['w'] - target) ** 2)
    >>> match = matching.straight_through(
    ...   jax.random.key(0), spec, loss, a, b, [jnp.array([[1.0, 2]])] * 3
    ... )
    >>> match.element['hidden'].tolist()
    [1, 0]

  References:
    Ainsworth et al, 2022, Git Re-Basin, https://arxiv.org/abs/2209.04836,
    Section 3.3. Bengio et al, 2013, https://arxiv.org/abs/1308.3432.
  """
  for tree, what in ((a, 'a'), (b, 'b')):
    symmetry.fit(spec, tree)
    _check.finite(tree, what)
  optimizer = optimizer or optax.sgd(1e-2, momentum=0.9)

  @jax.jit
  def step(theta, state, a, moved, batch):
    middle = jax.tree.map(_middle, a, moved)
    at = lambda leaves: loss(trees.replace(middle, leaves), batch)
    value, slope = jax.value_and_grad(at)(trees.floating(middle))
    # Half of the midpoint is g.b.
    slope = jax.tree.map(lambda g: trees.widen(g) / 2, slope)
    with jax.numpy_dtype_promotion('standard'):  # optax needs it.
      updates, state = optimizer.update(slope, state, theta)
    return optax.apply_updates(theta, updates), state, value

  theta = {n: trees.widen(x) for n, x in trees.floating(a).items()}
  state = optimizer.init(theta)
  element, moved, best, losses = symmetry.identity(spec), b, None, []
  for k, batch in enumerate(batches):
    match = matcher(
      jax.random.fold_in(key, k), spec, trees.replace(a, theta), moved
    )
    element = symmetry.compose(spec, match.element, element)
    moved = symmetry.act(spec, element, b)
    theta, state, value = step(theta, state, a, moved, batch)
    losses.append(float(value))
    if np.isfinite(losses[-1]) and losses[-1] <= np.nanmin(losses):
      best = element, match.gap
  if best is None:
    raise ValueError(
      f'`batches` has none with a finite loss; the losses are {losses[:3]}.'
    )
  return _match.Match(best[0], -np.array(losses), len(losses), best[1])


def _middle(x, y):
  if not trees.is_floating(x):
    return x
  return ((trees.widen(x) + trees.widen(y)) / 2).astype(x.dtype)
