"""How few entries of a fine-tuning's delta carry a task, and which.

A point marks a fraction of the entries of the delta of every task, by one kind
of mask, grafts what is marked onto the pretrained encoder, and asks it that
task. What two tasks have in common is the overlap of their masks.

References:
  Panigrahi et al, 2023, Task-Specific Skill Localization in Fine-tuned Language
  Models, https://arxiv.org/abs/2302.06600.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments.sentence_finetuning import tuned
from experiments.tasks import classification
from experiments.tasks import sentences
from experiments.training import loop
from paramspace import base
from paramspace import deltas
from paramspace import resolve
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Marks, grafts and measures.

  Args:
    config: See `configs/deltas/minilm_grafting.py`.
    run: A `launch.run.Run`.

  Returns:
    Accuracy on the test of each task, `grafted_*`, beside that of the
    pretrained and of the fine-tuned encoder, on all texts of the fine-tuning's
    test; and `overlap`, the share of each
    task's mask that is in each other's, tasks in the order of their names.
  """
  if config.mask not in _MASKS:
    raise errors.UsageError(resolve.unknown('mask', config.mask, _MASKS))
  names = sorted(config.tasks)
  bench = tuned.bench(config)
  models = tuned.ensure(
    run, [tuned.finetuning(config, name, config.seed) for name in names]
  )
  origin, masks, result = bench.encoder.params, {}, {}
  with run.progress(len(names), f'{config.mask}, {config.density:g}') as bar:
    for name, model in zip(names, models, strict=True):
      delta = deltas.subtract(model.params, origin)
      masks[name] = _MASKS[config.mask](config, bench, name, model, delta)
      grafted = deltas.add(origin, _marked(masks[name], delta))
      result[f'grafted_{name}'] = tuned.accuracy(
        bench, name, model.head, grafted, 'test'
      )
      result[f'pretrained_{name}'] = model.pretrained
      result[f'tuned_{name}'] = model.tuned
      bar.advance(1, accuracy=result[f'grafted_{name}'])
  overlap = np.asarray(deltas.overlap(masks), np.float64)
  return result | {'overlap': overlap.tolist()}


def _marked(mask: base.Params, delta: base.Params) -> base.Params:
  return deltas.mask(mask)(jax.random.key(0), delta)  # Draws nothing.


def _top(config, bench, name, model, delta):
  del bench, name, model
  return deltas.top_movement_mask(delta, config.density)


def _random(config, bench, name, model, delta):
  """Marks other entries in every task."""
  del bench, model
  order = sorted(config.tasks).index(name)
  key = jax.random.fold_in(jax.random.key(config.seed), order)
  return deltas.random_mask(key, delta, config.density)


def _learned(config, bench, name, model, delta):
  """Learns the mask from training texts, beginning with the top movement."""
  train, of = bench.tasks[name].train, config.learned
  order = loop.batches(
    config.seed, 0, of.steps, len(train.labels), of.batch_size
  )
  batches = (
    (jax.tree.map(lambda x: x[at], train), model.head, bench.encoder.frozen)  # noqa: B023
    for at in order
  )
  return deltas.learn_mask(
    _loss(bench.encoder.embed),
    bench.encoder.params,
    delta,
    config.density,
    batches,
    optimizer=_descent(of.learning_rate),
  ).mask


@functools.cache
def _loss(embed: Any) -> Any:
  """Returns a loss, the same one for all points, and so compiled once."""
  encoder = sentences.Encoder({}, {}, embed)

  def loss(params: base.Params, batch: Any) -> jax.Array:
    (tokens, labels), head, frozen = batch
    answers = sentences.logits(encoder, params, frozen, head, tokens)
    return classification.cross_entropy(answers, jnp.asarray(labels))

  return loss


@functools.cache
def _descent(learning_rate: float) -> optax.GradientTransformation:
  return optax.sgd(learning_rate)


_MASKS = {'top_movement': _top, 'learned': _learned, 'random': _random}
