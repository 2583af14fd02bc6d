"""Means and standard deviations of the channels of a merged model."""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.matching import _channels


class Site(NamedTuple):
  """Where channels can be shifted and scaled: y = w x + c.

  Attributes:
    name: That of the site, in what `preactivations` returns.
    kernel: The name of the leaf w, such as a kernel, or the scale of a
      normalisation.
    bias: The name of the leaf c.
    axis: That of the channels in the kernel.
  """

  name: str
  kernel: str
  bias: str
  axis: int = -1


class Repaired(NamedTuple):
  """A merged model whose channels have the statistics they should.

  Attributes:
    params: Its parameters.
    passes: How many times channels were rescaled.
    deviation: How far a mean or a standard deviation is from its goal at most,
      over the largest standard deviation among the goals of the site.
  """

  params: base.Params
  passes: int
  deviation: float


def repair(
  preactivations: _channels.Preactivations,
  merged: base.Params,
  models: Sequence[base.Params],
  batches: Collection[Any],
  sites: Sequence[str | Site],
  *,
  weights: Sequence[float] | None = None,
  tolerance: float = 1e-5,
) -> Repaired:
  r"""Rescales channels so that their statistics are the models' mean ones.

  The average of two models has hidden units that vary less than those of
  either. At each site a channel y = w x + c with mean m and standard deviation
  s is given the mean M = sum p_k m_k and the standard deviation
  S = sum p_k s_k of the models, by w' = (S / s) w, c' = M + (S / s)(c - m).
  The mean is one of standard deviations, not of variances.

  All sites are rescaled at once, and measured again, because what a site is
  given depends on those before it. After k passes the first k layers are
  right, so that the number of passes is at most that of the sites, in whatever
  order they are.

  For many models that were merged of the same ones, such as the points of a
  line, make a `repairer`, which measures those once.

  Args:
    preactivations: `(params, batch)` to y by site, `[..., c]`. Define it once:
      its program is kept.
    merged: The model that is repaired, such as a midpoint.
    models: Those it was merged of, matched to each other, in its frame.
    batches: What statistics are of; more than once gone through.
    sites: Names of sites whose leaves are `name/kernel` or `name/scale`, and
      `name/bias`; or a `Site` where they are others. A layer without a bias
      needs one, of zeros. Where a normalisation follows, the site is its own
      scale and bias, and y is what comes out of it.
    weights: p, one a model, such as (1 - t, t) on a line; equal if not given.
    tolerance: Passes end when the deviation is no larger.

  Returns:
    The model, and how well it was repaired. A channel that never changes keeps
    its scale and is given the mean.

  Raises:
    ValueError: If trees differ, a leaf or a site is missing, batches cannot be
      gone through again, statistics are not finite, or weights do not sum to 1.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching
    >>> layer = lambda p, x: {'d': x * p['d']['kernel'] + p['d']['bias'][None]}
    >>> model = lambda w, c: {
    ...   'd': {'kernel': jnp.array([[w]]), 'bias': jnp.array([c])}
    ... }
    >>> models, merged = [model(2.0, 0.0), model(-4.0, 1.0)], model(-1.0, 0.5)
    >>> batches = [jnp.array([[1.0], [-1.0]])]
    >>> found = matching.repair(layer, merged, models, batches, ['d'])
    >>> found.params['d']['kernel'], found.params['d']['bias']
    (Array([[-3.]], dtype=float32), Array([0.5], dtype=float32))

  Note: The paper rescales with batch normalisation, which it then fuses, and
    takes running statistics of augmented batches. A model that has batch
    normalisation only needs its statistics again: that is
    `averaging.reestimate_batch_stats`.

  References:
    Jordan et al, 2022, REPAIR: REnormalizing Permuted Activations for
    Interpolation Repair, https://arxiv.org/abs/2211.08403, Section 3.
  """
  made = repairer(preactivations, models, batches, sites, tolerance=tolerance)
  return made(merged, weights)


def repairer(
  preactivations: _channels.Preactivations,
  models: Sequence[base.Params],
  batches: Collection[Any],
  sites: Sequence[str | Site],
  *,
  tolerance: float = 1e-5,
) -> Callable[..., Repaired]:
  """Returns `repair` of what is merged of these models, measured once.

  Args:
    preactivations: As in `repair`, as are the others.
    models: Those that are merged.
    batches: What statistics are of.
    sites: Where channels are rescaled.
    tolerance: How far they may be from their goals.

  Returns:
    A function `(merged, weights=None) -> Repaired`.

  Raises:
    ValueError: As `repair` does.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching
    >>> layer = lambda p, x: {'d': x * p['d']['kernel'] + p['d']['bias'][None]}
    >>> model = lambda w: {
    ...   'd': {'kernel': jnp.array([[w]]), 'bias': jnp.zeros(1)}
    ... }
    >>> batches = [jnp.array([[1.0], [-1.0]])]
    >>> ends = [model(2.0), model(-4.0)]
    >>> fixed = matching.repairer(layer, ends, batches, ['d'])
    >>> merged = [(model(2 - 6 * t), (1 - t, t)) for t in (0.25, 0.75)]
    >>> [float(fixed(*x).params['d']['kernel'][0, 0]) for x in merged]
    [2.5, -3.5]
  """
  if not sites or not models:
    raise ValueError(
      f'Repair needs sites and models, got {len(sites)} and {len(models)}.'
    )
  for model in models[1:]:
    trees.check_shapes(models[0], model, 'the models')
  sites = [_site(models[0], each) for each in sites]
  measure = _channels.measure(preactivations, [s.name for s in sites], batches)
  of_models = [measure(params) for params in models]

  def repaired(merged, weights=None):
    trees.check_shapes(models[0], merged, 'the merged model')
    goals = _goals(of_models, sites, _weights(weights, len(models)))
    for passes in range(len(sites) + 1):
      found = measure(merged)
      deviation = max(_off(found[s.name], *goals[s.name]) for s in sites)
      if deviation <= tolerance or passes == len(sites):
        break
      for site in sites:
        merged = _rescaled(merged, site, found[site.name], *goals[site.name])
    return Repaired(merged, passes, deviation)

  return repaired


def _goals(of_models, sites, weights):
  """Returns M and S by site."""
  goals = {}
  for site in sites:
    each = [(found[site.name].mean, found[site.name].sd) for found in of_models]
    goals[site.name] = tuple(
      sum(p * x for p, x in zip(weights, xs, strict=True))
      for xs in zip(*each, strict=True)
    )
  return goals


def _off(found: _channels.Channels, mean: np.ndarray, sd: np.ndarray) -> float:
  off = np.maximum(abs(found.mean - mean), abs(found.sd - sd)).max()
  return float(off / max(sd.max(), np.finfo(np.float32).tiny))


def _rescaled(params, site, found, mean, sd):
  """Returns w' = (S / s) w, c' = M + (S / s) (c - m)."""
  noise = np.finfo(np.float32).eps * (abs(found.mean) + found.sd.max())
  varies = found.sd > noise
  ratio = np.where(varies, sd / np.where(varies, found.sd, 1), 1)
  leaves = trees.named(params)
  kernel, bias = leaves[site.kernel], leaves[site.bias]
  shape = [1] * kernel.ndim
  shape[site.axis] = -1
  new_bias = mean + ratio * (np.asarray(bias, np.float64) - found.mean)
  new_kernel = np.asarray(kernel, np.float64) * ratio.reshape(shape)
  return trees.replace(
    params,
    {
      site.kernel: jnp.asarray(new_kernel, kernel.dtype),
      site.bias: jnp.asarray(new_bias, bias.dtype),
    },
  )


def _site(params, given):
  """Returns the site, its leaves found."""
  leaves = trees.named(params)
  if isinstance(given, str):
    kernel = f'{given}/kernel'
    kernel = kernel if kernel in leaves else f'{given}/scale'
    given = Site(given, kernel, f'{given}/bias')
  for name in (given.kernel, given.bias):
    if name not in leaves:
      raise ValueError(
        f'Site {given.name!r} needs the leaf {name!r}, which there is not; '
        f'near misses: {trees.nearest(name, list(leaves))}. Give a bias of '
        'zeros to a layer without one, or the names of the leaves in a `Site`.'
      )
  channels = leaves[given.kernel].shape[given.axis]
  if leaves[given.bias].shape != (channels,):
    raise ValueError(
      f'Site {given.name!r}: the bias should have the shape [{channels}] of '
      f'axis {given.axis} of {given.kernel!r}, got '
      f'{list(leaves[given.bias].shape)}.'
    )
  return given


def _weights(weights, count):
  if weights is None:
    return [1 / count] * count
  if len(weights) != count or abs(sum(weights) - 1) > 1e-6:
    raise ValueError(
      f'`weights` should be {count} numbers that sum to 1, got {weights}.'
    )
  return [float(p) for p in weights]
