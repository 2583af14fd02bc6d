"""How good a classifier is, also where its confidence is calibrated."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from experiments.tasks import classification

LIMIT = 1_000.0  # Of T and 1 / T.
STEPS = 12


def fit(logits: jax.Array, labels: jax.Array) -> jax.Array:
  r"""Returns the T for which the mean cross-entropy of logits / T is least.

  The loss is convex in 1 / T, so that Newton's steps find it, within bounds
  that the signs of its slopes draw closer; a step that leaves them goes to
  their middle instead. It goes through `jit` and `vmap`.

  Args:
    logits: `[..., classes]`, of examples that were not trained on: where all
      answers are right, the best T is 0.
    labels: `[...]`, integers.

  Returns:
    A scalar in [1 / LIMIT, LIMIT].

  Example:
    >>> import jax.numpy as jnp
    >>> logits = jnp.log(jnp.array([[0.75, 0.25]] * 4))
    >>> labels = jnp.array([0, 0, 0, 1])  # As often as the model says.
    >>> round(float(fit(3 * logits, labels)), 3)
    3.0

  References:
    Guo et al, 2017, On Calibration of Modern Neural Networks,
    https://arxiv.org/abs/1706.04599, Section 4.2.
  """
  right = jnp.take_along_axis(logits, labels[..., None].astype(int), -1).mean()

  def step(_, state):
    low, high, beta = state
    chances = jax.nn.softmax(beta * logits)
    mean = (chances * logits).sum(-1)
    slope = mean.mean() - right
    curvature = ((chances * logits**2).sum(-1) - mean**2).mean()
    low = jnp.where(slope > 0, low, beta)
    high = jnp.where(slope > 0, beta, high)
    newton = beta - slope / curvature
    # With some room, for the signs of slopes that are 0 but for rounding.
    inside = (0.999 * low < newton) & (newton < 1.001 * high)
    return low, high, jnp.where(inside, newton, jnp.sqrt(low * high))

  ends = jnp.float32(1 / LIMIT), jnp.float32(LIMIT)
  *_, beta = jax.lax.fori_loop(0, STEPS, step, (*ends, jnp.float32(1)))
  return 1 / beta


def scores(
  logits: Mapping[str, jax.Array], labels: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
  """Measures a model on splits, as it is and calibrated.

  Args:
    logits: By split, `[..., classes]`; of 'held_out' the temperature is fitted.
    labels: By split, `[...]`.

  Returns:
    The `temperature`, and of every other split the mean cross-entropy as it is,
    `SPLIT_loss`, and at that temperature, `SPLIT_calibrated_loss`, and the
    fraction of right answers, `SPLIT_accuracy`.
  """
  temperature = fit(logits['held_out'], labels['held_out'])
  found = {'temperature': temperature}
  for split in sorted(logits.keys() - {'held_out'}):
    z, y = logits[split], labels[split]
    found[f'{split}_loss'] = classification.cross_entropy(z, y)
    found[f'{split}_calibrated_loss'] = classification.cross_entropy(
      z / temperature, y
    )
    right = (z.argmax(axis=-1) == y).astype(jnp.float32)
    found[f'{split}_accuracy'] = right.mean()
  return found
