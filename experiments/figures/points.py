"""A result of the intrinsic dimension study, reduced to what figures need."""

import math
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

TITLES = {
  'digits': 'Digits',
  'mnist': 'MNIST',
  'fashion_mnist': 'Fashion-MNIST',
  'cifar10': 'CIFAR-10',
}
DIRECT = 'direct'


class Point(NamedTuple):
  """One training run.

  Attributes:
    task: E.g. `'MNIST FC 2x200'` or `'MNIST shuffled pixels LeNet'`.
    method: E.g. `'hadamard'`, `'hadamard redrawn'`, or `'direct'` where all
      parameters were trained.
    dim: The number of trained coordinates d, 0 for direct training.
    seed: The run's seed.
    accuracy: On the test set; NaN if the run diverged.
    size: The number of parameters D; 0 if no run of the task says.
  """

  task: str
  method: str
  dim: int
  seed: int
  accuracy: float
  size: int


def read(results: Iterable[Mapping[str, Any]]) -> list[Point]:
  """Reads the results of a sweep.

  Args:
    results: Each with `'config'`, flattened, `'status'` and `'result'`. Those
      that neither finished nor diverged are left out. One that was stopped when
      it diverged does not say its D, and takes that of another of its task.

  Returns:
    One point for each.

  Raises:
    ValueError: If two results would be taken for the same point, because they
      differ in a key that no figure tells apart.
  """
  seen = {}
  for entry in results:
    if entry['status'] not in ('done', 'diverged'):
      continue
    point = _point(entry)
    identity = (point.task, point.method, point.dim, point.seed)
    if identity in seen:
      first, second = seen[identity][0], entry['config']
      keys = sorted(
        k for k in {*first, *second} if first.get(k) != second.get(k)
      )
      raise ValueError(
        f'Two results for {point.task}, {point.method}, dim {point.dim}, seed '
        f'{point.seed}. They differ in {", ".join(keys) or "no key"}: draw '
        'them in separate figures.'
      )
    seen[identity] = entry['config'], point
  found = [point for _, point in seen.values()]
  sizes = {p.task: p.size for p in found if p.size}
  return [p._replace(size=sizes.get(p.task, 0)) for p in found]


def _point(entry: Mapping[str, Any]) -> Point:
  config, result = entry['config'], entry['result']
  accuracy = result.get('test_accuracy')
  diverged = entry['status'] == 'diverged' or accuracy is None
  return Point(
    task=_task(config),
    method=_method(config),
    dim=0 if config['direct'] else config['dim'],
    seed=config['seed'],
    accuracy=math.nan if diverged else accuracy,
    size=result.get('D', 0),
  )


def _task(config: Mapping[str, Any]) -> str:
  """Names data and model, e.g. 'MNIST shuffled pixels LeNet'."""
  model = config['model.name']
  if model == 'fc':
    model = f'FC {config["model.depth"]}x{config["model.width"]}'
  elif model == 'lenet':
    model = 'LeNet'
  words = [TITLES.get(config['data'], config['data'])]
  words += ['shuffled pixels'] if config.get('shuffled_pixels') else []
  words += ['standardized'] if config.get('standardize') else []
  return ' '.join([*words, model])


def _method(config: Mapping[str, Any]) -> str:
  """Names the projection, and how often it is redrawn."""
  if config['direct']:
    return DIRECT
  name = config['method.name'].rpartition('.')[2]
  every = config.get('rebase_every', 0)
  redrawn = ['redrawn'] if every else []
  redrawn += [f'every {every} steps'] if every > 1 else []
  return ' '.join([name, *redrawn])
