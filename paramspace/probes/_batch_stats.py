"""Batch statistics of the points of a path."""

from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from paramspace import averaging
from paramspace import base
from paramspace import trees
from paramspace.probes import _evaluate

Update = Callable[[base.Params, Any], base.Params]


def fresh_batch_stats(
  update: Update,
  batches: Collection[Any],
  pattern: trees.Pattern = 'batch_stats/.*',
  *,
  variance: str = 'pooled',
  mean: str = 'mean',
  var: str = 'var',
) -> _evaluate.Prepare:
  r"""Returns a `prepare` that re-estimates batch statistics at each point.

  Between two models, the average of their statistics is not what the layers
  see, and most of a barrier can be due to it. At every point the statistics are
  those of the data, by `averaging.reestimate_batch_stats`; the program is
  compiled once for all points.

  Args:
    update: `(variables, batch) -> variables`, the forward pass in training,
      which moves the statistics. Other leaves of what it returns do not count.
      For Linen: `lambda variables, x: variables | model.apply(variables, x,
      train=True, mutable='batch_stats')[1]`.
    batches: Examples, along the first axis of the first leaf of each; read
      again at every point.
    pattern: Which leaves are the statistics, as in `trees.match`.
    variance: As in `averaging.reestimate_batch_stats`, as are the others.
    mean: The last part of the names of the means.
    var: The same of the variances.

  Returns:
    A function `(variables) -> variables`, not to be traced.

  Raises:
    ValueError: If `batches` is an iterator, or empty; later, as
      `averaging.reestimate_batch_stats` does.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> def update(variables, x):  # Of y = (w x - mean) / sqrt(var).
    ...   y, old = variables['w'] * x, variables['batch_stats']
    ...   new = {'mean': y.mean(0), 'var': y.var(0)}
    ...   moved = {n: 0.9 * old[n] + 0.1 * new[n] for n in old}
    ...   return variables | {'batch_stats': moved}
    >>> stats = {'mean': jnp.zeros(1), 'var': jnp.ones(1)}
    >>> a = {'w': jnp.array(1.0), 'batch_stats': stats}
    >>> b = {'w': jnp.array(-1.0), 'batch_stats': stats}
    >>> prepare = probes.fresh_batch_stats(update, [jnp.array([[2.0], [4.0]])])
    >>> metric = lambda variables: variables['batch_stats']['mean'][0]
    >>> path = probes.line(metric, a, b, steps=3, prepare=prepare)
    >>> [round(float(x), 4) for x in path.values]
    [3.0, 0.0, -3.0]
  """
  if iter(batches) is batches:
    raise ValueError(
      '`batches` is an iterator, which is used up at the first point; give a '
      'list.'
    )
  if not len(batches):
    raise ValueError('`batches` is empty; there is nothing to estimate from.')

  # The parameters ride with the batch: as an argument, not as a constant of a
  # program for each point.
  def moved(stats, both):
    batch, variables = both
    new = trees.named(update(trees.replace(variables, stats), batch))
    return {name: new[name] for name in stats}

  def prepare(variables: base.Params) -> base.Params:
    leaves = trees.named(variables)
    stats = {name: leaves[name] for name in trees.match(variables, pattern)}
    pairs = ((batch, variables) for batch in batches)
    return trees.replace(
      variables,
      averaging.reestimate_batch_stats(
        moved, stats, pairs, variance, mean, var
      ),
    )

  return prepare
