"""How far a sweep is: counts, who runs what, what failed, what is mixed."""

import collections
import json
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace.launch import failures
from paramspace.launch import leases
from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch.looking import directory as directories
from paramspace.launch.looking import states

_TAIL = 65536  # Bytes at the end of a file, more than a row or a message.


class Status(NamedTuple):
  """What `paramspace status` prints.

  Attributes:
    counts: How many points are in each of `states.NAMES`.
    running: For each point that runs `id`, `host`, `pid`, `heartbeat` (seconds
      ago) and `step` (the last that was logged).
    failed: For each point that failed `id`, `reason` and `log`.
    notes: Sentences about what a reader of the results should know.
  """

  counts: dict[str, int]
  running: list[dict[str, Any]]
  failed: list[dict[str, Any]]
  notes: list[str]


def of(directory: directories.Directory) -> Status:
  """Returns how far the sweep in a directory is."""
  survey = states.survey(directory)
  counts = dict.fromkeys(states.NAMES, 0) | collections.Counter(survey.values())
  where = {m: f for f, members in directory.groups() for m in members}
  running = [n for n, state in survey.items() if state == 'running']
  failed = [n for n, state in survey.items() if state == 'failed']
  return Status(
    counts,
    [row for name in running if (row := _running(directory.run(name)))],
    [_failed(name, directory.run(name), where.get(name)) for name in failed],
    list(_notes(directory, survey)),
  )


def last_row(path: pathlib.Path) -> dict[str, Any] | None:
  """Returns the last whole row of `metrics.jsonl`, without reading the rest."""
  for line in reversed(_tail(path).split('\n')[:-1]):
    try:
      return records.loads(line)
    except ValueError:
      continue
  return None


def _running(folder: pathlib.Path) -> dict[str, Any] | None:
  """What a claim says; None if it has ended since we looked."""
  holder = leases.read(folder)
  if holder is None:
    return None
  row = last_row(folder / 'metrics.jsonl') or {}
  return {
    'id': folder.name,
    'host': holder.host,
    'pid': holder.pid,
    'heartbeat': f'{holder.age:.0f} s ago',
    'step': row.get('step'),
  }


def _failed(
  name: str, folder: pathlib.Path, group: pathlib.Path | None
) -> dict[str, Any]:
  places = [p for p in (folder, group) if p is not None]
  names = (failures.LOG, 'log.txt', failures.RECORD)
  logs = [p / n for p in places for n in names if (p / n).exists()]
  record = records.read(folder / failures.RECORD)
  if isinstance(record, dict) and 'reason' in record:
    reason = record['reason']
  else:
    reason = _tail(logs[0]).rstrip().rpartition('\n')[2] if logs else ''
  return {'id': name, 'reason': reason, 'log': str(logs[0]) if logs else ''}


def _notes(
  directory: directories.Directory, survey: Mapping[str, str]
) -> Iterator[str]:
  """Yields a sentence for everything that is not as one would think."""
  over = {n for n, state in survey.items() if state in run.STATUSES}
  broken = [
    n
    for n in survey
    if n not in over and (directory.run(n) / 'result.json').exists()
  ]
  if broken:
    yield (
      f'{len(broken)} of the result.json files do not hold and count as '
      f'missing; see `paramspace verify {directory.path}`.'
    )
  listed = set(directory.index.get('points') or survey)
  others = sum(name not in listed for name in survey)
  if others:
    yield f'{others} of the points are not of the sweep that was last started.'
  yield from _mixtures(directory, sorted(over))


def _mixtures(
  directory: directories.Directory, names: list[str]
) -> Iterator[str]:
  """Yields a sentence for everything in which the programs differed."""
  kinds = collections.defaultdict(collections.Counter)
  declared = {
    name: group.get('size')
    for group in directory.index.get('groups') or ()
    for name in group.get('points') or ()
  }
  for name in names:
    folder = directory.run(name)
    record = records.read(folder / 'result.json') or {}
    about = records.read(folder / 'meta.json') or {}
    kinds['executors'][record.get('executor')] += 1
    if record.get('group_size') != declared.get(name, record.get('group_size')):
      kinds['group sizes other than declared'][record.get('group_size')] += 1
    kinds['git revisions'][about.get('git')] += 1
    kinds['devices'][json.dumps(about.get('devices'), sort_keys=True)] += 1
    for package, version in (about.get('versions') or {}).items():
      kinds[f'versions of {package}'][version] += 1
  for kind, counter in kinds.items():
    if len(counter) > 1 or kind.startswith('group'):
      each = ', '.join(f'{value} ({n})' for value, n in counter.most_common())
      yield f'Results come from different {kind}: {each}.'


def _tail(path: pathlib.Path) -> str:
  """The end of a text file; nothing of a file that is not there."""
  try:
    with path.open('rb') as file:
      size = file.seek(0, 2)
      file.seek(max(0, size - _TAIL))
      return file.read().decode(errors='replace')
  except OSError:
    return ''
