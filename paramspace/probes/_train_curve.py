"""Training a curve so that the loss is low all along it."""

import math
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramspace import base
from paramspace import trees
from paramspace.probes import _curve

Loss = Callable[[base.Params, Any], jax.Array]


class CurveTrainer(NamedTuple):
  """A training loop's two pure functions.

  Attributes:
    init: `(curve) -> state`.
    update: `(key, curve, state, batch) -> (curve, state, loss)`, one step at
      one t ~ U[0, 1] that the key draws. The loss is that before the step,
      without the l2 term. Only the bends of the curve change.
  """

  init: Callable[[_curve.Curve], Any]
  update: Callable[..., tuple[_curve.Curve, Any, jax.Array]]


class TrainedCurve(NamedTuple):
  """What `train_curve` found.

  Attributes:
    curve: The curve after the last step.
    losses: Of every step, at its t and batch, before it changed the bends.
  """

  curve: _curve.Curve
  losses: list[float]


def curve_trainer(
  loss: Loss, optimizer: optax.GradientTransformation, l2: float = 0.0
) -> CurveTrainer:
  r"""Returns the steps that train the bends of a curve.

  They descend

    E_{t ~ U[0, 1]} loss(theta(t), batch) + l2 / 2 |theta(t)|^2,

  with one t for each batch. The l2 term is of the model on the curve, not of
  the bends; to leave leaves out of it, put it into the loss, which is given
  theta(t). Where there are batch statistics, let the loss run the model in
  training, and measure the curve with `fresh_batch_stats`.

  Args:
    loss: `(params, batch) -> scalar`.
    optimizer: Of the bends, from optax.
    l2: The factor above.

  Returns:
    A `CurveTrainer`; jit its `update`. The curve is an argument of it, so that
    one program serves all pairs of models of one shape.

  Raises:
    ValueError: If l2 is negative.

  Example:
    >>> import jax, jax.numpy as jnp, optax
    >>> from paramspace import probes
    >>> a, b = {'w': jnp.array([-1.0, 0.0])}, {'w': jnp.array([1.0, 0.0])}
    >>> loss = lambda params, goal: jnp.sum((params['w'] - goal) ** 2)
    >>> trainer = probes.curve_trainer(loss, optax.sgd(0.5))
    >>> curve = probes.bezier(a, b)
    >>> state, update = trainer.init(curve), jax.jit(trainer.update)
    >>> for step in range(200):
    ...   key = jax.random.fold_in(jax.random.key(0), step)
    ...   curve, state, _ = update(key, curve, state, jnp.array([0.0, 1.0]))
    >>> bool(probes.point(curve, 0.5)['w'][1] > 0.5)
    True

  References:
    Garipov et al, 2018, Loss Surfaces, Mode Connectivity, and Fast Ensembling,
    https://arxiv.org/abs/1802.10026, Section 3 and Equation 2.
  """
  if not l2 >= 0:
    raise ValueError(f'`l2` must be 0 or more, got {l2}.')

  def objective(bends, curve, t, batch):
    theta = _curve.point(curve._replace(bends=bends), t)
    value = loss(theta, batch)
    if not l2:
      return value, value
    return value + l2 / 2 * _squares(theta).astype(value.dtype), value

  def update(key, curve, state, batch):
    t = jax.random.uniform(key)
    slope, value = jax.grad(objective, has_aux=True)(
      curve.bends, curve, t, batch
    )
    with jax.numpy_dtype_promotion('standard'):  # optax needs it.
      updates, state = optimizer.update(slope, state, curve.bends)
    bends = optax.apply_updates(curve.bends, updates)
    return curve._replace(bends=bends), state, value

  return CurveTrainer(lambda curve: optimizer.init(curve.bends), update)


def train_curve(
  key: base.PRNGKey,
  curve: _curve.Curve,
  loss: Loss,
  batches: Iterable[Any],
  optimizer: optax.GradientTransformation | None = None,
  l2: float = 0.0,
) -> TrainedCurve:
  r"""Trains the bends of a curve, one step for each batch.

  Args:
    key: Draws t: that of step k is a function of the key and k.
    curve: From `bezier` or `polygon`. Its ends stay what they are.
    loss: As in `curve_trainer`.
    batches: Batches of one shape; repeated for as many epochs as wanted.
    optimizer: Descent at 0.01 with a momentum of 0.9 if it is not given.
    l2: As in `curve_trainer`.

  Returns:
    A `TrainedCurve`.

  Raises:
    ValueError: If there are no batches, l2 is negative, or a loss is not
      finite.

  Example:
    >>> import itertools, jax, jax.numpy as jnp, optax
    >>> from paramspace import probes
    >>> a, b = {'w': jnp.array([-1.0, 0.0])}, {'w': jnp.array([1.0, 0.0])}
    >>> ring = lambda params, radius: (jnp.sum(params['w'] ** 2) - radius) ** 2
    >>> curve = probes.bezier(a, b)
    >>> curve = curve._replace(bends=({'w': jnp.array([0.0, 0.1])},))
    >>> found = probes.train_curve(
    ...   jax.random.key(0), curve, ring, [jnp.array(1.0)] * 300, optax.sgd(0.1)
    ... )
    >>> metric = lambda params: ring(params, 1.0)
    >>> float(probes.barrier(probes.curve(metric, found.curve))) < 0.1
    True

  Note: The authors' code lowers the learning rate, constant for half of the
  epochs and then linearly to 1% at 90% of them; give such an optimizer. Its
  l2 is 10^-4 unless it is told otherwise.

  References:
    Garipov et al, 2018, https://arxiv.org/abs/1802.10026, Section 3.
  """
  optimizer = optimizer or optax.sgd(0.01, momentum=0.9)
  trainer = curve_trainer(loss, optimizer, l2)
  state, update = trainer.init(curve), jax.jit(trainer.update)
  losses = []
  for k, batch in enumerate(batches):
    curve, state, value = update(
      jax.random.fold_in(key, k), curve, state, batch
    )
    losses.append(value)
  return TrainedCurve(curve, _finite(losses))


def _squares(params: base.Params) -> jax.Array:
  sums = [jnp.sum(trees.widen(x) ** 2) for x in trees.floating(params).values()]
  return sum(x.astype(jnp.result_type(float)) for x in sums)


def _finite(losses: list[jax.Array]) -> list[float]:
  """Returns the losses as numbers, if they are."""
  if not losses:
    raise ValueError('`batches` is empty; there is nothing to learn from.')
  values = [float(x) for x in jax.device_get(losses)]
  bad = [k for k, x in enumerate(values) if not math.isfinite(x)]
  if bad:
    raise ValueError(
      f'The loss of step {bad[0]} is {values[bad[0]]}; lower the learning rate.'
    )
  return values
