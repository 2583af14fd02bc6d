"""Where the numbers of a figure come from: settings, data and time."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace.launch import points


def of(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what the file of a figure says of the results it shows.

  Args:
    results: From `sweep.results`.

  Returns:
    `seconds`, `data`, and of the points' configs `config`, the values that are
    the same in all, and `swept`, the values of each key that is not.
  """
  return {
    'seconds': seconds(results),
    'data': data(results),
    **settings([r['config'] for r in results]),
  }


def seconds(results: Sequence[Mapping[str, Any]]) -> float:
  """Returns how long the programs of some points took together.

  The points of one program share its time, which counts once. A program that
  was stopped counts from its last start; what a point trained first, for others
  to find, counts with that point.

  >>> row = {'executor': 'vmapped', 'group_size': 2, 'seconds': 3.5}
  >>> alone = {'executor': 'inline', 'group_size': 1, 'seconds': 1.0}
  >>> seconds([{'execution': e} for e in (row, row, alone, alone)])
  5.5
  """
  found = [r['execution'] for r in results]
  alone = [e['seconds'] for e in found if e['group_size'] == 1]
  programs = {tuple(e.values()) for e in found if e['group_size'] > 1}
  return round(sum(alone) + sum(values[-1] for values in programs), 3)


def data(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
  """Returns the digest of each data set, as the studies returned it.

  >>> point = {'first.data': 'digits', 'second.data': 'mnist', 'seed': 0}
  >>> data([{'config': point, 'result': {'data_digest': 'a5 1b'}}])
  {'digits': 'a5', 'mnist': '1b'}
  """
  found = {}
  for one in results:
    digests = one['result'].get('data_digest', '').split()
    flat = one['config']
    names = [str(v) for k, v in flat.items() if k.split('.')[-1] == 'data']
    if len(names) != len(digests):  # Of a study that always has the same.
      names = [flat['study'].split('.')[-1]] * len(digests)
    found |= zip(names, digests, strict=True)
  return found


def settings(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns which values flattened configs share, and which are swept.

  How a point is executed is no part of what it is, and is left out.

  >>> settings([{'seed': 0, 'steps': 9}, {'seed': 1, 'steps': 9}])
  {'config': {'steps': 9}, 'swept': {'seed': [0, 1]}}
  """
  shared, swept = {}, {}
  keys = dict.fromkeys(k for c in configs for k in c if points.identifies(k))
  for key in keys:
    # Not a set: 1 is not True, and 1.0 not 1.
    values = {repr(c.get(key)): c.get(key) for c in configs}
    if len(values) == 1:
      (shared[key],) = values.values()
    else:
      swept[key] = list(values.values())
  return {'config': shared, 'swept': swept}
