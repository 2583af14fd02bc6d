"""Loss and accuracy over a whole split."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.tasks import classification
from experiments.tasks import normalized
from paramspace import base

BATCH_SIZE = 1_000


class Evaluation(NamedTuple):
  """How well parameters do on a split.

  Attributes:
    loss: Mean cross-entropy, float32 scalar.
    accuracy: Fraction of right answers, float32 scalar.
  """

  loss: jax.Array
  accuracy: jax.Array


def evaluate(
  task: classification.Task | normalized.NormalizedTask,
  params: base.Params | normalized.Variables,
  split: classification.Split,
  batch_size: int = BATCH_SIZE,
) -> Evaluation:
  """Evaluates a model in batches; goes through `jit` and `vmap`.

  Args:
    task: Whose model and loss.
    params: The parameters, with the batch statistics if it has any.
    split: Labelled images, `task.test` for instance.
    batch_size: How many images are in memory as activations at a time.

  Returns:
    Means over the whole split, also where `batch_size` does not divide it.
  """
  count = len(split.labels)
  batch_size = min(batch_size, count)

  def add_batch(totals: Evaluation, first: jax.Array):
    # The last batch ends where the split ends, and overlaps the one before.
    start = jnp.minimum(first, count - batch_size)
    take = lambda x: jax.lax.dynamic_slice_in_dim(x, start, batch_size)
    images, labels = take(split.images), take(split.labels)
    new = start + jnp.arange(batch_size) >= first  # [batch_size]
    logits = task.apply(params, images)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    hits = logits.argmax(axis=-1) == labels
    sum_new = lambda x: jnp.where(new, x.astype(jnp.float32), 0).sum()
    return Evaluation(
      totals.loss + sum_new(losses), totals.accuracy + sum_new(hits)
    ), None

  zeros = Evaluation(jnp.zeros(()), jnp.zeros(()))
  firsts = jnp.arange(0, count, batch_size)
  totals, _ = jax.lax.scan(add_batch, zeros, firsts)
  return Evaluation(totals.loss / count, totals.accuracy / count)
