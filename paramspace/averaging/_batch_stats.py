"""Batch statistics for parameters that were averaged."""

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees

Update = Callable[[base.Params, Any], base.Params]

# So large that the batch is lost in rounding, and a power of two: m comes out
# to the bit.
HUGE = 2.0**64


class Moments(NamedTuple):
  """The moments of the examples so far, in float64.

  Attributes:
    count: How many examples.
    mean: Their mean.
    within: The mean of the variances of their batches.
    across: The variance of the means of their batches.
  """

  count: int
  mean: np.ndarray
  within: np.ndarray
  across: np.ndarray


def reestimate_batch_stats(
  update: Update,
  stats: base.Params,
  batches: Iterable[Any],
  variance: str = 'pooled',
  mean: str = 'mean',
  var: str = 'var',
) -> base.Params:
  r"""Returns the statistics of the data, for normalisation layers as they are.

  The statistics that a training run leaves behind are those of its own
  parameters, not of an average of them. In training, a forward pass normalises
  with the batch and moves the statistics s,

    s <- m s + (1 - m) batch,

  which is affine in s. So the momentum m of every leaf is found from passes at
  known s, and one pass per batch at s = 0 gives its statistics: no layer is
  touched, and none needs to be known.

  Args:
    update: `(stats, batch) -> stats`, the forward pass of the model in training
      with the parameters inside; compiled here. It gets float32 or wider.
    stats: The statistics as they are: pairs of leaves, a mean and a variance,
      beside one another. Leaves that are not floating-point are carried.
    batches: Examples, along the first axis of the first leaf of each batch. The
      last one may be short; batches count by their size.
    variance: 'pooled', E[var_b] + Var[mean_b], the variance of all examples, or
      'mean', E[var_b] alone, as in torch's `update_bn`.
    mean: The last part of the names of the means.
    var: The same of the variances.

  Returns:
    A tree like `stats`. In the first layer that normalises, 'pooled' is exact.
    Later ones see inputs that were normalised batch by batch; larger batches
    bring these nearer to those at inference.

  Raises:
    ValueError: If there are no batches, a leaf has no partner, or what `update`
      returns is not affine in a leaf, as when a model is not in training.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> def update(stats, x):  # A model with a momentum of 0.9.
    ...   new = {'mean': x.mean(0), 'var': x.var(0)}
    ...   return {n: 0.9 * stats[n] + 0.1 * new[n] for n in stats}
    >>> stats = {'mean': jnp.zeros(1), 'var': jnp.ones(1)}
    >>> batches = [jnp.array([[0.0], [6.0]]), jnp.array([[0.0]])]
    >>> new = averaging.reestimate_batch_stats(update, stats, batches)
    >>> round(float(new['mean'][0]), 5), round(float(new['var'][0]), 5)
    (2.0, 8.0)

  Note: The variance of a batch is taken as the sum of squares over n, not over
  n - 1. Torch's batches count alike whatever their size.

  References:
    Izmailov et al, 2018, https://arxiv.org/abs/1803.05407, on why averaged
    parameters need it. Chan et al, 1983, Algorithms for Computing the Sample
    Variance, https://doi.org/10.1080/00031305.1983.10483115, on the merge.
  """
  if variance not in ('pooled', 'mean'):
    raise ValueError(
      f"`variance` must be 'pooled' or 'mean', got {variance!r}."
    )
  pairs = _pairs(stats, mean, var)
  rest = iter(batches)
  first = next(rest, None)
  if first is None:
    raise ValueError('`batches` is empty; there is nothing to estimate from.')
  _size(first)  # Raises before the model does.
  outputs = _at(jax.jit(update), stats)
  fresh = _fresh(outputs, first)
  found = {}
  for batch in itertools.chain([first], rest):
    size, new = _size(batch), outputs(0.0, batch)
    for means, variances in pairs:
      values = [new[name] / fresh[name] for name in (means, variances)]
      found[means] = _merged(found.get(means), size, *values)
  estimates = {}
  for means, variances in pairs:
    moments = found[means]
    across = moments.across if variance == 'pooled' else 0.0
    estimates |= {means: moments.mean, variances: moments.within + across}
  leaves = trees.named(stats)
  return trees.replace(
    stats, {n: _placed(x, leaves[n]) for n, x in estimates.items()}
  )


def _pairs(stats: base.Params, mean: str, var: str) -> list[tuple[str, str]]:
  """Returns the names of the means and variances that belong together."""
  leaves, pairs = trees.floating(stats), []
  partner = {mean: var, var: mean}
  for name in leaves:
    parent, _, last = name.rpartition('/')
    path = f'{parent}/' if parent else ''
    if last not in partner or path + partner[last] not in leaves:
      raise ValueError(
        f'Leaf {name!r} is not one of a pair {path}{mean!s}, {path}{var!s}; '
        'pass the batch statistics alone, and their names as `mean` and `var`.'
      )
    if last == mean:
      pairs.append((name, path + var))
  return pairs


def _at(
  update: Update, stats: base.Params
) -> Callable[[float, Any], dict[str, np.ndarray]]:
  """Returns the new statistics, in float64, where all old ones are equal."""
  leaves = trees.floating(stats)

  def outputs(value: float, batch: Any) -> dict[str, np.ndarray]:
    filled = {
      n: jnp.full_like(trees.widen(jnp.asarray(x)), value)
      for n, x in leaves.items()
    }
    new = update(trees.replace(stats, filled), batch)
    trees.check_shapes(stats, new, 'the statistics that `update` returns')
    new = jax.device_get(trees.floating(new))
    return {name: np.asarray(x, np.float64) for name, x in new.items()}

  return outputs


def _fresh(
  outputs: Callable[[float, Any], dict[str, np.ndarray]], batch: Any
) -> dict[str, float]:
  """Returns 1 - m of every leaf, the share of the batch."""
  at_zero, at_one, at_huge = (outputs(s, batch) for s in (0.0, 1.0, HUGE))
  shares = {}
  for name, zero in at_zero.items():
    slopes = (at_huge[name] - zero) / HUGE
    m = float(np.median(slopes))
    one_slope = np.allclose(slopes, m, rtol=0, atol=1e-5)
    affine = np.allclose(at_one[name], zero + m, rtol=1e-5, atol=1e-5)
    if not (one_slope and affine and m < 1):
      raise ValueError(
        f'Leaf {name!r} does not move to m old + (1 - m) batch with one m < 1 '
        f'(m here: {m:.6g}); `update` must run the model in training.'
      )
    shares[name] = 1 - _as_written(m)
  return shares


def _as_written(m: float) -> float:
  """Returns the decimal number that a float32 came from.

  Float32 holds 0.99 as 0.9900000095, but a model takes 1 - m of the number
  before it is rounded: the difference is 1e-6 of 1 - m.
  """
  return float(str(np.float32(m)))


def _size(batch: Any) -> int:
  leaves = jax.tree.leaves(batch)
  if not leaves or not np.ndim(leaves[0]) or not len(leaves[0]):
    raise ValueError(
      'The first leaf of a batch must have examples along its first axis, got '
      f'{[np.shape(x) for x in leaves[:1]]}.'
    )
  return len(leaves[0])


def _merged(
  old: Moments | None, size: int, mean: np.ndarray, var: np.ndarray
) -> Moments:
  """Returns the moments with those of one batch more."""
  if old is None:
    return Moments(size, mean, var, np.zeros_like(var))
  count = old.count + size
  part = size / count
  step = mean - old.mean
  return Moments(
    count,
    old.mean + part * step,
    old.within + part * (var - old.within),
    (1 - part) * (old.across + part * step**2),
  )


def _placed(x: np.ndarray, like: jax.Array) -> jax.Array:
  """Returns an array in the dtype and the place of another."""
  x = jnp.asarray(x, like.dtype)
  return jax.device_put(x, like.sharding) if hasattr(like, 'sharding') else x
