"""The average of models, each parameter by how well a model knows it."""

import operator

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import deltas
from paramspace.merging import _check
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def fisher(floor: float = 1e-6, normalize: bool = True) -> base.Recipe:
  r"""theta = sum_i w_i F_i theta_i / sum_i w_i F_i.

  F_i is the diagonal of the Fisher information of model i, as
  `fisher_diagonal` gives it: `statistics={model: F_i, ...}`, a tree like the
  model. It is the mode of the product of Gaussians with means theta_i and
  precisions w_i F_i, so for models that are linear, with Gaussian noise and
  orthogonal inputs, that of the posterior given all their data.

  Args:
    floor: What F_i is raised to where it is less. Where all F_i are equal, or
      0 without a floor, it is the average by the weights.
    normalize: Whether to divide F_i by its norm over the whole tree first, so
      that a model does not count for more because its loss is steeper. It is
      raised to the floor before.

  Returns:
    A recipe with statistics.

  Raises:
    ValueError: In `merge`, if a leaf has no F_i, or one of another shape.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(2)}
    >>> tuned = {'a': {'w': jnp.ones(2)}, 'b': {'w': jnp.full(2, 5.0)}}
    >>> known = {'a': {'w': jnp.ones(2)}, 'b': {'w': jnp.array([1.0, 3.0])}}
    >>> recipe = merging.fisher(normalize=False)
    >>> merging.merge(base, tuned, recipe, statistics=known)['w']
    Array([3., 4.], dtype=float32)

  Note: The authors' code raises to the floor only the model that is named
    first, so that its value stays where no model knows better. For that, take
    `floor=0` and raise its statistics.

  References:
    Matena and Raffel, 2021, Merging Models with Fisher-Weighted Averaging,
    https://arxiv.org/abs/2111.09832, Equation 4.
  """
  _check.not_negative('floor', floor)

  def check(leaf: base.Leaf):
    _check.weighable(leaf, 'fisher')
    if leaf.statistics is None:
      raise ValueError(
        f'`fisher` has no statistics of leaf {leaf.name!r}; give '
        'statistics={model: fisher_diagonal(...)}.'
      )
    if leaf.statistics.shape != leaf.deltas.shape:
      raise ValueError(
        f'The Fisher diagonal of leaf {leaf.name!r} should have shape '
        f'{list(leaf.base.shape)}, got {list(leaf.statistics.shape[1:])}.'
      )
    known = not isinstance(leaf.statistics, jax.core.Tracer)
    if known and (leaf.statistics < 0).any():
      raise ValueError(
        f'The Fisher diagonal of leaf {leaf.name!r} has negative values; it is '
        'a mean of squares.'
      )

  raised = lambda leaf: jnp.maximum(leaf.statistics, floor)
  norms = deltas.Round(
    lambda known, leaf: _stack.squares(raised(leaf)),
    operator.add,
    lambda known, seen: known | {'norms': jnp.sqrt(seen)},
  )

  def apply(known: dict, leaf: base.Leaf):
    leaf = _stack.stored(leaf)
    weights = jnp.asarray(leaf.weights)
    shares = raised(leaf).astype(leaf.deltas.dtype)
    if normalize:
      lengths = known['norms']
      shares = shares / _stack.along(jnp.where(lengths > 0, lengths, 1), shares)
    shares = _stack.along(weights, shares) * shares
    total = _stack.summed(shares)
    known_at_all = total != 0
    weighted = _stack.summed(shares * leaf.deltas)
    mean = weighted / jnp.where(known_at_all, total, 1)
    return jnp.where(known_at_all, mean, _stack.mean(leaf))

  rounds = (norms,) if normalize else ()
  return base.Recipe(base.Combine(apply, rounds, check=check, kind=base.alike))
