"""Encoders that were fine-tuned on sentences, and what measures them.

Studies that begin with the same fine-tuned encoders in one working directory
share them: each is a point of its own, by the id of its config.
"""

import functools
import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from experiments import sentence_finetuning
from experiments.data import pretrained
from experiments.tasks import sentences
from paramspace import base
from paramspace import trees
from paramspace.launch import errors
from paramspace.launch import prerequisites
from paramspace.launch import run as runs

Config = ml_collections.ConfigDict


class Bench(NamedTuple):
  """What is there before anything is fine-tuned, and compiled once.

  Attributes:
    encoder: The pretrained encoder.
    tasks: By name.
    judge: Measures an encoder.
    validation: By task, texts to choose by.
    test: By task, texts to report.
  """

  encoder: sentences.Encoder
  tasks: Mapping[str, sentences.Task]
  judge: sentences.Judge
  validation: Mapping[str, tuple[sentences.Split, ...]]
  test: Mapping[str, tuple[sentences.Split, ...]]


class Tuned(NamedTuple):
  """An encoder that was fine-tuned.

  Attributes:
    params: As the pretrained encoder's.
    head: The task's.
    pretrained: The accuracy of the pretrained encoder on the test.
    tuned: That of this one.
  """

  params: base.Params
  head: base.Params
  pretrained: float
  tuned: float


def bench(config: Config) -> Bench:
  """Reads the pretrained encoder and the tasks.

  Args:
    config: Has `finetuning`, `tasks` and `examples`, as in
      `configs/merging/minilm_tasks.py`.

  Returns:
    The bench, the same one for the same arguments.

  Raises:
    errors.UsageError: If a file is missing or wrong.
  """
  of = config.finetuning
  lengths = tuple(
    (name, task.length) for name, task in sorted(config.tasks.items())
  )
  examples = json.dumps(config.examples.to_dict(), sort_keys=True)
  return _bench(of.model, of.trained, lengths, examples)


@functools.lru_cache(maxsize=1)
def _bench(
  model: str, trained: str, lengths: tuple[tuple[str, int], ...], examples: str
) -> Bench:
  with errors.usage():
    folder = pretrained.find(model)
    encoder = sentences.encoder(folder, trained)
    tasks = {
      name: sentences.make(name, folder, length, json.loads(examples))
      for name, length in lengths
    }
  return Bench(
    encoder,
    tasks,
    sentences.Judge(encoder),
    {name: sentences.by_length(t.validation) for name, t in tasks.items()},
    {name: sentences.by_length(t.test) for name, t in tasks.items()},
  )


def finetuning(
  config: Config, task: str, seed: int, **optimizer: Any
) -> Config:
  """Returns the config of one fine-tuning.

  Args:
    config: As in `bench`.
    task: The task's name.
    seed: Of the order of the batches.
    **optimizer: Options that differ from those in `config.finetuning`.
  """
  of = config.finetuning.copy_and_resolve_references()
  of.unlock()
  of.update(config.tasks[task].to_dict())
  of.update(
    study=sentence_finetuning.__name__,
    scale=config.scale,
    seed=seed,
    task=task,
    execution=config.execution.to_dict(),
  )
  of.optimizer.update(optimizer)
  return of


def ensure(run: Any, configs: Sequence[Config]) -> list[Tuned]:
  """Fine-tunes encoders, or finds them where that was done before.

  Args:
    run: A `launch.run.Run`.
    configs: From `finetuning`.

  Returns:
    One for each config.
  """
  found = []
  for done in prerequisites.ensure(run, configs):
    params, head = (
      jax.tree.map(jnp.asarray, done.load(name))
      for name in (sentence_finetuning.TUNED, sentence_finetuning.HEAD)
    )
    result = runs.result(done.dir)['result']
    found.append(
      Tuned(
        trees.named(params),
        head,
        pretrained=result['pretrained_test_accuracy'],
        tuned=result['test_accuracy'],
      )
    )
  return found


def accuracy(
  bench: Bench, task: str, head: base.Params, params: base.Params, split: str
) -> float:
  """Returns the accuracy of an encoder on a task.

  Args:
    bench: Tasks and judge.
    task: The task's name.
    head: Its head.
    params: The encoder.
    split: `'validation'` or `'test'`.
  """
  return bench.judge(params, head, getattr(bench, split)[task]).accuracy
