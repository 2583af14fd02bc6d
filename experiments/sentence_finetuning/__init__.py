"""Fine-tuning a pretrained encoder on one task, for other studies to merge.

The embeddings of tokens stay as they are, and so does the head: it is fitted to
the pretrained encoder first. Then what is trained is what is merged, and any
encoder can be asked any task, as CLIP's can, with the pretrained one to begin
with.

References:
  Ilharco et al, 2022, Editing Models with Task Arithmetic,
  https://arxiv.org/abs/2212.04089, for heads that stay as they are.
"""

import math
from typing import Any
from typing import NamedTuple

import jax
import ml_collections

from experiments.data import pretrained
from experiments.tasks import sentences
from experiments.training import loop
from experiments.training import sentences as sentence_training
from paramspace import deltas
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict

TUNED, HEAD = 'tuned', 'head'  # The trees that are kept.


class _Saved(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    head: The task's head.
    state: What changes.
  """

  head: Any
  state: sentence_training.State


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains one point, and keeps the encoder and the head.

  Args:
    config: See `configs/merging/minilm_finetuning.py`.
    run: A `launch.run.Run`.

  Returns:
    Loss and accuracy on both held-out splits, of the tuned encoder and, as
    `pretrained_*`, before; the root mean square of the delta, and its largest
    magnitude; the number of trained parameters, D, and sha256s.
  """
  with errors.usage():
    folder = pretrained.find(config.model)
    encoder = sentences.encoder(folder, config.trained)
    task = sentences.make(config.task, folder, config.length, config.examples)
    program = sentence_training.Program(encoder, task, config)
  saved = _train(config, run, task, encoder, program)
  tuned, head = saved.state.params, saved.head
  run.save(TUNED, tuned)
  run.save(HEAD, head)
  splits = {
    'validation': sentences.by_length(task.validation),
    'test': sentences.by_length(task.test),
  }
  judge = sentences.Judge(encoder)
  metrics = {
    f'{prefix}{split}_{name}': value
    for prefix, params in (('', tuned), ('pretrained_', encoder.params))
    for split, parts in splits.items()
    for name, value in judge(params, head, parts)._asdict().items()
  }
  return {
    'status': 'done'
    if all(map(math.isfinite, metrics.values()))
    else 'diverged',
    **metrics,
    **_movement(tuned, encoder.params),
    'D': trees.size(tuned),
    'data_digest': task.digest,
    'digest': manifest.digest((tuned, head)),
  }


def _train(config, run, task, encoder, program) -> _Saved:
  def advance(saved, first, last):
    state, loss = program.train(saved.state, saved.head, first, last)
    return saved._replace(state=state), {'train_loss': loss}

  head = sentence_training.head(encoder, task, config.head_examples)
  return loop.train(
    run,
    _Saved(head, program.start()),
    loop.stops(config.steps, config.execution.log_every),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{config.task}, seed {config.seed}',
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )


def _movement(tuned: Any, base: Any) -> dict[str, float]:
  """Returns how far the parameters have moved."""
  delta = deltas.subtract(tuned, base)
  leaves = jax.tree.leaves(delta)
  squares = sum(float((x**2).sum()) for x in leaves)
  return {
    'delta_rms': math.sqrt(squares / trees.size(delta)),
    'delta_max': max(float(abs(x).max()) for x in leaves),
  }
