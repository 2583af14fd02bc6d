"""What Fisher merging and RegMean know of each encoder."""

import functools
from collections.abc import Callable
from collections.abc import Mapping

import jax
import ml_collections

from experiments.sentence_finetuning import tuned
from experiments.tasks import sentences
from paramspace import base
from paramspace import merging

FISHER_BATCH = 2  # Examples of which all gradients are in memory at once.


def gather(
  config: ml_collections.ConfigDict,
  bench: tuned.Bench,
  models: Mapping[str, tuned.Tuned],
  method: str,
) -> dict[str, base.Params] | None:
  """Returns the statistics that a method takes; None if it takes none.

  Args:
    config: Its `statistics_examples` are how many texts of the training set of
      its task an encoder is asked about.
    bench: Encoder and tasks.
    models: The fine-tuned encoders.
    method: Its name.
  """
  if method not in _OF:
    return None
  found = {}
  for name, model in models.items():
    train = bench.tasks[name].train
    some = jax.tree.map(lambda x: x[: config.statistics_examples], train)
    found[name] = _compiled(method, bench.encoder.embed)(
      model.params, bench.encoder.frozen, model.head, some
    )
  return found


def _fisher(encoder, params, frozen, head, split):
  """Returns the exact diagonal of the Fisher information."""

  def log_prob(params, tokens):
    one = jax.tree.map(lambda x: x[None], tokens)
    answers = sentences.logits(encoder, params, frozen, head, one)
    return jax.nn.log_softmax(answers[0])

  return merging.fisher_diagonal(
    log_prob, params, split.tokens, batch=FISHER_BATCH
  )


def _grams(encoder, params, frozen, head, split):
  """Returns the products of the inputs of every kernel, without padding."""
  del head
  embed = lambda params, frozen: encoder.embed(params, frozen, split.tokens)
  inputs = merging.layer_inputs(embed, params, frozen)
  return merging.grams(inputs, split.tokens.mask)


_OF = {'fisher': _fisher, 'regmean': _grams}


@functools.cache
def _compiled(method: str, embed: Callable) -> Callable:
  """Returns what gathers, compiled once for each encoder's function."""
  encoder = sentences.Encoder({}, {}, embed)
  return jax.jit(functools.partial(_OF[method], encoder))
