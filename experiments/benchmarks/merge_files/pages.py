"""The recipe files of the methods that are measured."""

import json
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from experiments.benchmarks.merge_files import checkpoints

DENSITY, RATE = 0.2, 0.9


class Page(NamedTuple):
  """A method.

  Attributes:
    name: mergekit's name of it; ours, of what mergekit has not.
    each: The parameters of each model.
    based: Whether deltas are counted from a base.
    draws: Whether entries are drawn, each tool's in its own way.
    peer: Whether mergekit has it.
  """

  name: str
  each: Mapping[str, Any] = {'weight': 1.0}
  based: bool = True
  draws: bool = False
  peer: bool = True


PAGES = {
  'linear': Page('linear', based=False),
  'task_arithmetic': Page('task_arithmetic'),
  'ties': Page('ties', {'weight': 1.0, 'density': DENSITY}),
  'dare_ties': Page(
    'dare_ties', {'weight': 1.0, 'density': 1 - RATE}, draws=True
  ),
  'global_ties': Page('ties', {'density': DENSITY}, peer=False),
}


def page(
  method: str, models: int, folder: str, dtype: str | None = None
) -> str:
  """Returns a page, which is JSON, and so YAML.

  Args:
    method: One of `PAGES`.
    models: How many are merged: m1, m2, ...
    folder: Where they are.
    dtype: That all is computed in and written in; None for the models'.

  Example:
    >>> page('linear', 1, 'in')
    '{"merge_method": "linear", "models": [{"model": "in/m1", "parameters": {"weight": 1.0}}]}'
  """  # noqa: E501
  about = PAGES[method]
  paths = {f'm{i + 1}': f'{folder}/m{i + 1}' for i in range(models)}
  base = f'{folder}/{checkpoints.BASE}'
  if not about.peer:
    recipe = {'name': about.name, **about.each}
    return json.dumps({'base': base, 'models': paths, 'recipe': recipe})
  each = dict(about.each)
  entries = [{'model': path, 'parameters': each} for path in paths.values()]
  content = {'merge_method': about.name, 'models': entries}
  content |= {'base_model': base} if about.based else {}
  content |= {'dtype': dtype} if dtype else {}
  return json.dumps(content)
