"""One encoder from six that were fine-tuned on a task each.

A point merges the encoders of one `seed` by one `method`. Where the method has
a coefficient, it is chosen by the mean accuracy on validation texts, and then
the tasks' test texts are asked, each with its own head.

References:
  Ilharco et al, 2022, https://arxiv.org/abs/2212.04089; Yadav et al, 2023,
  https://arxiv.org/abs/2306.01708, for the experiment. Each method names its
  own source.
"""

import statistics
from typing import Any

import ml_collections

from experiments.minilm_tasks import _ways
from experiments.sentence_finetuning import tuned
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Merges, chooses and measures.

  Args:
    config: See `configs/merging/minilm_tasks.py`.
    run: A `launch.run.Run`.

  Returns:
    Accuracy on each task's test, `test_*`, their mean, `accuracy`, the same of
    the validation, the coefficient that was chosen, and all that were tried.
    Of a method that gives several encoders, such as orders, the means, and the
    `accuracies` of all.
  """
  names = sorted(config.tasks)
  with errors.usage():
    way = _ways.make(config)
  bench = tuned.bench(config)
  found = tuned.ensure(
    run, [tuned.finetuning(config, name, config.seed) for name in names]
  )
  models = dict(zip(names, found, strict=True))
  heads = {name: model.head for name, model in models.items()}

  def measure(params: Any, split: str) -> dict[str, float]:
    by_task = params if way.by_task else dict.fromkeys(names, params)
    return {
      task: tuned.accuracy(bench, task, heads[task], by_task[task], split)
      for task in names
    }

  tried, chosen = {}, None
  with run.progress(way.tries, config.method) as bar:
    for value, candidates in way.merge(bench, models):
      found = [measure(params, 'validation') for params in candidates]
      tried[value] = statistics.mean(_mean(x) for x in found)
      if chosen is None or tried[value] > tried[chosen[0]]:
        chosen = value, candidates, found
      bar.advance(1, accuracy=tried[value])
  value, candidates, validation = chosen
  test = [measure(params, 'test') for params in candidates]
  return {
    'coefficient': value,
    'accuracy': statistics.mean(map(_mean, test)),
    'accuracies': [_mean(x) for x in test],
    **{f'test_{t}': statistics.mean(x[t] for x in test) for t in names},
    'validation': statistics.mean(map(_mean, validation)),
    'tried': [[float(k), v] for k, v in tried.items()],
  }


def _mean(by_task: dict[str, float]) -> float:
  return statistics.mean(by_task.values())
